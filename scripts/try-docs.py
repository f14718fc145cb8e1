#!/usr/bin/env python3
"""try-docs.py: follows docs/adding-a-vendor.md and docs/adding-a-command.md to the letter, in a copy of the repository.

Their code blocks are applied as they stand: `new file PATH` creates a file, `in PATH` replaces the lines with `-` by those with `+`
in the one file below PATH that has them. Then the copy is built, and every line of an `expect` block must be in the file or in the
output of the command that the block names."""

import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = ["docs/adding-a-vendor.md", "docs/adding-a-command.md"]


def blocks(page):
    """Pairs of a block's title (after the backticks) and its lines."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [(title, body.splitlines()) for title, body in re.findall(r"^```(.*)\n((?:.*\n)*?)^```$", text, re.M)]


def create(copy, path, lines):
    file = copy / path
    if file.exists():
        sys.exit(f"try-docs: {path} exists already")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def replace(copy, where, lines):
    old = "\n".join(line[1:] for line in lines if line.startswith("-"))
    new = "\n".join(line[1:] for line in lines if line.startswith("+"))
    start = copy / where
    files = [start] if start.is_file() else sorted(start.rglob("*.swift"))
    found = [file for file in files if old in file.read_text(encoding="utf-8")]
    if len(found) != 1:
        sys.exit(f"try-docs: {len(found)} files in {where} have these lines, but one should:\n{old}")
    text = found[0].read_text(encoding="utf-8")
    found[0].write_text(text.replace(old, new, 1), encoding="utf-8")


def apply(copy, page):
    """Applies the blocks; returns the expectations."""
    expected = []
    for title, lines in blocks(page):
        if title.startswith("expect "):
            expected.append((title.removeprefix("expect "), lines))
        elif lines and lines[0].startswith("new file "):
            create(copy, lines[0].removeprefix("new file "), lines[1:])
        elif title == "diff":
            replace(copy, lines[0].removeprefix("in "), lines[1:])
    return expected


def check(copy, source, lines):
    file = copy / source
    if file.is_file():
        text = file.read_text(encoding="utf-8")
    else:
        text = subprocess.run(shlex.split(source), cwd=copy, capture_output=True, text=True, check=True).stdout
    text = re.sub(" +", " ", text)
    for line in lines:
        if re.sub(" +", " ", line.strip()) not in text:
            sys.exit(f"try-docs: {source} does not have the line:\n{line}\nbut:\n{text}")


def main():
    with tempfile.TemporaryDirectory(prefix="plimsoll-docs-") as folder:
        copy = pathlib.Path(folder) / "copy"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, copy / name)
        expected = [item for page in PAGES for item in apply(copy, page)]
        for command in (
            ["swift", "build", "--disable-local-rpath", "--build-tests"],
            ["env", "RENEW_GOLDEN=1", "swift", "test", "--skip-build", "--filter", "KernelHostTests"],
        ):
            print("try-docs:", *command, flush=True)
            result = subprocess.run(command, cwd=copy, capture_output=True, text=True)
            if result.returncode != 0:
                sys.exit((result.stdout + result.stderr)[-4000:] + f"\ntry-docs: {' '.join(command)} failed")
        for source, lines in expected:
            check(copy, source, lines)
        print(f"try-docs: {len(expected)} expectations of {len(PAGES)} pages hold")


main()
