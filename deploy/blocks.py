"""Blocks of code, and spans of it, in the documents: what the scripts beside this run as it stands."""

import re
from dataclasses import dataclass


@dataclass
class Code:
    """Some code on a page: its language, what stands beside it after the three backticks, and its text."""

    page: str
    line: int
    language: str
    notes: dict
    text: str

    @property
    def place(self):
        return f"{self.page}:{self.line}"


def fenced(page, text):
    """The blocks of a page. What is indented, in a list, is code as well."""
    opened, lines = None, []
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"( *)```(.*)$", line)
        if fence and opened is None:
            language, *notes = fence[2].split(" ", 1)
            opened, lines = Code(page, number + 1, language, notes_of(notes[0] if notes else ""), ""), []
            indent = len(fence[1])
        elif fence:
            opened.text = "\n".join(lines) + "\n"
            yield opened
            opened = None
        elif opened is not None:
            lines.append(line[indent:] if not line[:indent].strip() else line)


def notes_of(text):
    """`walk as=auth not-run="needs a cluster"` as a dict; a word alone is its own value."""
    found = re.findall(r'([\w-]+)(?:=(?:"([^"]*)"|(\S+)))?', text)
    return {name: quoted or bare or name for name, quoted, bare in found}


def spans(page, text):
    """What stands in single backticks, outside blocks."""
    bare = re.sub(r"^ *```.*?^ *```", lambda it: "\n" * it[0].count("\n"), text, flags=re.M | re.S)
    for number, line in enumerate(bare.splitlines(), 1):
        for span in re.findall(r"`([^`]+)`", line):
            yield Code(page, number, "span", {}, span)
