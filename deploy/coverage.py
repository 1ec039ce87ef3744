#!/usr/bin/env python3
"""Adds up executed lines by crate.

Code of tests does not count, neither in files of its own nor in a module beside what it tests: a test executes
itself, and would make every share look better than it is.
"""

import argparse
import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What `--check` asks for, in percent.
LEAST = {"authentication-domain": 95, "authentication-app": 95, "api-http": 95}
LEAST_OF_ALL = 90

# Crates and files that only tests use.
OF_TESTS = re.compile(r"(^|/)(testkit|tests|benches|examples)/|(^|/)(tests|test_support|build)\.rs$")


def crate_of(file: Path) -> str | None:
    """The crate that a file belongs to, unless it is code of tests or not ours."""
    try:
        relative = file.resolve().relative_to(ROOT)
    except ValueError:
        return None
    if OF_TESTS.search(relative.as_posix()):
        return None
    parts = relative.parts
    if parts[0] == "crates" and len(parts) > 2:
        return parts[1]
    return "migration" if parts[0] == "migration" else None


def lines_of_tests(file: Path) -> set[int]:
    """The lines of items under `#[cfg(test)]` that have a body: rustfmt ends them where they begin."""
    found, begin, indent = set(), None, ""
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        if begin is None:
            if line.strip() == "#[cfg(test)]":
                begin, indent = number, line[: len(line) - len(line.lstrip())]
        elif line in (f"{indent}}}", f"{indent}}};") or (line.startswith(indent) and line.rstrip().endswith(";") and number == begin + 1):
            found.update(range(begin, number + 1))
            begin = None
    return found


def read(report: Path) -> dict[Path, dict[int, int]]:
    """How often each line that can be executed was, by file."""
    files: dict[Path, dict[int, int]] = defaultdict(dict)
    file = None
    for line in report.read_text().splitlines():
        if line.startswith("SF:"):
            file = Path(line[3:])
        elif line.startswith("DA:") and file is not None:
            number, count = line[3:].split(",")[:2]
            lines = files[file]
            lines[int(number)] = max(lines.get(int(number), 0), int(count))
    return files


def spans(numbers: list[int]) -> str:
    """`1-3, 7` for 1, 2, 3, 7."""
    text, begin = [], None
    for here, following in zip(numbers, numbers[1:] + [None]):
        begin = here if begin is None else begin
        if following != here + 1:
            text.append(str(begin) if begin == here else f"{begin}-{here}")
            begin = None
    return ", ".join(text)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("report", type=Path)
    arguments.add_argument("--check", action="store_true")
    arguments.add_argument("--missing", metavar="CRATE")
    options = arguments.parse_args()

    crates: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for file, counts in sorted(read(options.report).items()):
        crate = crate_of(file)
        if crate is None or not file.exists():
            continue
        ignored = lines_of_tests(file)
        counts = {number: count for number, count in counts.items() if number not in ignored}
        crates[crate][0] += sum(count > 0 for count in counts.values())
        crates[crate][1] += len(counts)
        missing = sorted(number for number, count in counts.items() if count == 0)
        if options.missing == crate and missing:
            print(f"{file.resolve().relative_to(ROOT)}: {spans(missing)}")
    if options.missing:
        return 0

    total = [sum(column) for column in zip(*crates.values())] or [0, 0]
    print(f"{'crate':<28} {'executed':>9} {'lines':>9} {'share':>8}   least")
    too_low = []
    rows = [(name, *crates[name], LEAST.get(name)) for name in sorted(crates)]
    for name, executed, lines, least in [*rows, ("all", *total, LEAST_OF_ALL)]:
        share = 100 * executed / lines if lines else 0.0
        print(f"{name:<28} {executed:>9} {lines:>9} {share:>7.2f}%   {f'{least}%' if least else ''}")
        if least and share < least:
            too_low.append(name)
    if options.check and too_low:
        print(f"too few lines executed: {', '.join(too_low)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
