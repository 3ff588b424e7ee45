"""The table of mistakes in search spaces, and what a message about one must contain."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from support.spec_samples import FORMS


@dataclass(frozen=True)
class Finding:
    """What one line of a message must hold: the place, the thing at fault, and the fix."""

    line: int
    path: str
    names: tuple[str, ...]
    fix: tuple[str, ...]

    @classmethod
    def read(cls, row: dict[str, Any]) -> Finding:
        """Return the finding that a row of the table describes."""
        return cls(row["at"], row.get("path", ""), tuple(row["names"]), tuple(row["fix"]))

    def missing(self, message: str) -> list[str]:
        """Return what the message lacks, in words; empty if it is as it must be."""
        place = f"search.yaml:{self.line}: "
        if not message.startswith(place):
            return [f"the place {place!r}"]
        text = message.removeprefix(place)
        if self.path and not text.startswith(f"{self.path}: "):
            return [f"the path {self.path!r}"]
        if not self.path and re.match(r"[\w.\[\]]+: ", text):
            return ["no path: the mistake is of the whole file"]
        text = text.removeprefix(f"{self.path}: ")
        lacks = [f"the name or value {name!r}" for name in self.names if not _holds(text, name)]
        if not any(_holds(text, fix) for fix in self.fix):
            lacks.append(f"the fix: one of {', '.join(self.fix)}")
        return lacks


def _holds(text: str, fragment: str) -> bool:
    """Return whether the fragment occurs as whole words or numbers.

    A fragment in small letters is found in any case; one with capitals is a name or a value.
    """
    case = re.IGNORECASE if fragment.islower() else 0
    start = r"(?<![\w.-])" if re.match(r"\w", fragment) else ""
    end = r"(?!\w|\.\w)" if re.search(r"\w$", fragment) else ""
    return re.search(start + re.escape(fragment) + end, text, case) is not None


@dataclass(frozen=True)
class Mistake:
    """A wrong file, and what is to be found in it."""

    text: str
    findings: tuple[Finding, ...]

    @classmethod
    def read(cls, row: dict[str, Any]) -> Mistake:
        """Return the mistake that a row of the table describes."""
        (form,) = row.keys() & FORMS.keys()
        rows = [row, *row.get("also", ())]
        return cls(FORMS[form](row[form]), tuple(Finding.read(each) for each in rows))


_TABLE = YAML(typ="safe", pure=True).load(Path(__file__).with_name("mistakes.yaml"))
MISTAKES = {name: Mistake.read(row) for name, row in _TABLE.items()}
