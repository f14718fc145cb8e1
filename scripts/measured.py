#!/usr/bin/env python3
"""measured.py [--check] [FILE...]: writes the table of docs/measured.md from reports of `plimsoll measure`.

Without files the reports are those in docs/measured; give yours to see its rows before you add it there. With --check nothing is
written, and the exit code is 1 if the table is not what the reports say."""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/measured.md"
BEGIN, END = "<!-- made by scripts/measured.py -->\n", "<!-- end -->\n"


def size(count):
    """As Docker prints it, and `plimsoll measure` too."""
    amount, unit = float(abs(count)), 0
    while amount >= 1024 and unit < 6:
        amount, unit = amount / 1024, unit + 1
    return ("-" if count < 0 else "") + f"{amount:.4g}" + ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"][unit]


def exact(count):
    """2MiB+1B: an amount just above a round one, which four digits would not tell from it."""
    rest = count % (1 << 20)
    return size(count) if rest == 0 or count < 1 << 20 else f"{size(count - rest)}+{size(rest)}"


def duration(seconds):
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.3g} s"


def seen(item):
    name = item["name"]
    if "bytes" in item:
        return f"{name} {size(item['bytes'])}"
    if "seconds" in item:
        return f"{name} {duration(item['seconds'])}"
    if "count" in item:
        return f"{name} {item['count']}"
    if "ratio" in item:
        return f"{name} {item['ratio']:.3f}"
    if "flag" in item:
        return f"{name}: {'yes' if item['flag'] else 'no'}"
    if "records" in item:
        return ", ".join(f"{record['bytes']} bytes in {record['function']}" for record in item["records"])
    return ", ".join(f"{size(charge['chargedBytes'])} for {exact(charge['askedBytes'])}" for charge in item["charges"])


def machine(report):
    """What a row says of where it was seen."""
    names = sorted({gpu["name"] for gpu in report["gpus"] if gpu["name"]})
    driver = report["nvidiaDriver"] and f"driver {report['nvidiaDriver']}"
    return ", ".join(names + ([driver] if driver else [f"Linux {report['kernel']}"]))


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def read(paths):
    reports = []
    for path in paths:
        try:
            report = json.loads(pathlib.Path(path).read_text())
            if report["schemaVersion"] != 1:
                raise ValueError(f"schemaVersion {report['schemaVersion']}")
            machine(report), [(step["name"], step["verdict"], step["seen"]) for step in report["steps"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            sys.exit(f"measured.py: {path} is no report of plimsoll measure: {error}")
        reports.append(report)
    return sorted(reports, key=lambda report: report["time"])


def table(reports):
    steps = {}
    for report in reports:
        for step in report["steps"]:
            row = steps.setdefault(step["name"], {"machines": {}})
            is_tried = step["verdict"] != "not-tried"
            if row["machines"] and not is_tried:
                continue
            # What was judged against an earlier assumption says nothing about the one of the newest report.
            if is_tried and row.get("assumed") != step["assumed"]:
                row["machines"] = {}
            row.update(assumed=step["assumed"], command=step["command"])
            if is_tried:
                # The newest of each verdict: one that differs is not hidden by one that agrees.
                row["machines"][machine(report), step["verdict"]] = step
    closed, opened = [], []
    for name, row in steps.items():
        if not row["machines"]:
            opened.append(f"| `{name}` | {cell(row['assumed'])} | `{cell(row['command'])}` |\n")
        # The step and what is assumed stand once, before its machines.
        head = f"| `{name}` | {cell(row['assumed'])} |"
        for (place, _), step in sorted(row["machines"].items()):
            verdict = "agrees" if step["verdict"] == "agrees" else "**differs**"
            facts = cell("; ".join(seen(item) for item in step["seen"]))
            closed.append(f"{head} {verdict} | {facts} | {cell(place)} |\n")
            head = "| | |"
    lines = ["| step | assumed | verdict | seen | on |\n", "|---|---|---|---|---|\n", *closed]
    if opened:
        lines += ["\nNo report has these yet:\n\n", "| step | assumed | what shows it |\n", "|---|---|---|\n", *opened]
    return "".join(lines)


def main(arguments):
    check = "--check" in arguments
    files = [argument for argument in arguments if argument != "--check"]
    made = table(read(files or sorted((ROOT / "docs/measured").glob("*.json"))))
    if files:
        print(made, end="")
        return 0
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    wanted = before + BEGIN + made + END + after
    if wanted == page:
        return 0
    if check:
        print("docs/measured.md is not what docs/measured has; type: python3 scripts/measured.py", file=sys.stderr)
        return 1
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
