#!/usr/bin/env python3
"""manual.py PROGRAM: writes the manual page (mdoc(7)) to standard output, from the program's own help screens."""

import os
import re
import subprocess
import sys

DATE = "November 26, 2026"


def help_screen(program, *words):
    """The lines of a help screen, unwrapped as far as the program allows."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PLIMSOLL_")}
    environment["COLUMNS"] = "100"
    words = ["help", *words]
    return subprocess.run([program, *words], env=environment, check=True, capture_output=True, text=True).stdout.splitlines()


def escaped(text):
    """Text for troff: a backslash, and a line that begins like a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in ".'" else text


def sections(lines):
    """The usage line, the paragraphs, and the titled sections with their lines."""
    usage = lines[0].removeprefix("Usage:").strip()
    paragraphs, titled, current = [[]], [], None
    for line in lines[1:]:
        if re.fullmatch(r"[A-Z][A-Za-z ]*:", line):
            current = (line[:-1], [])
            titled.append(current)
        elif line.startswith("Run '"):
            break
        elif current:
            current[1].append(line)
        elif line:
            paragraphs[-1].append(line)
        elif paragraphs[-1]:
            paragraphs.append([])
    return usage, [" ".join(paragraph) for paragraph in paragraphs if paragraph], titled


def entries(lines):
    """Pairs of what is typed and what it does; a line that is indented further continues the text above it."""
    result = []
    for line in lines:
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        if indent > 8 and result:
            result[-1][1] += " " + line.strip()
            continue
        typed, _, text = line.strip().partition("   ")
        result.append([typed, text.strip()])
    return result


def write_entries(lines):
    print(".Bl -tag -width indent")
    for typed, text in entries(lines):
        print(f".It {escaped(typed)}")
        if text:
            print(escaped(text))
    print(".El")


def write_examples(lines):
    joined = []
    for line in lines:
        if line.startswith("    ") and joined:
            joined[-1] += " " + line.strip()
        elif line:
            joined.append(line.strip())
    for line in joined:
        if line.startswith("#"):
            purpose = line.removeprefix("# ")
            print(".Pp")
            print(escaped(purpose if purpose.endswith("?") else purpose + ":"))
        else:
            print(f".Dl {escaped(line)}")


def write_body(paragraphs, titled, level):
    for index, paragraph in enumerate(paragraphs):
        if index > 0:
            print(".Pp")
        print(escaped(paragraph))
    for title, lines in titled:
        if title in ("Commands", "Common options"):
            continue
        print(f".{level} {title.upper() if level == 'Sh' else title}")
        (write_examples if title == "Examples" else write_entries)(lines)


def main():
    program = sys.argv[1]
    _, paragraphs, titled = sections(help_screen(program))
    commands = [name for name, _ in entries(dict(titled)["Commands"])]
    print(f'.\\" Made by scripts/manual.py from the help texts; do not edit.\n.Dd {DATE}\n.Dt PLIMSOLL 1\n.Os')
    print(".Sh NAME\n.Nm plimsoll\n.Nd show which container uses how much GPU memory")
    print(".Sh SYNOPSIS\n.Nm\n.Op Ar options\n.Op Ar command")
    print(".Sh DESCRIPTION")
    write_body(paragraphs, titled, "Sh")
    print(".Sh COMMANDS")
    common = []
    for command in commands:
        usage, paragraphs, titled = sections(help_screen(program, command))
        print(f".Ss {escaped(usage)}")
        write_body(paragraphs, titled, "Pp\n.Sy")
        longest = dict(titled)["Common options"]
        common = max(common, longest, key=len)
    print(".Sh COMMON OPTIONS")
    write_entries(common)


main()
