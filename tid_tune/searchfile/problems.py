"""Everything that is wrong with a search space, so that one run shows all of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tid_tune.errors import SpecError

SHOWN = 20
"""So many problems are listed; the rest is counted."""


@dataclass(frozen=True)
class Where:
    """A place in the input: a file and its line (from 1), or an override without a line."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True)
class Fault:
    """Something that is wrong in a config."""

    place: str
    """The dotted path of what is to be changed, such as `val_dataloader.dataset.ann_file`."""
    text: str
    """What is wrong and how to fix it."""


@dataclass
class Problems:
    """The problems found so far, in the order they were found."""

    lines: list[tuple[Where, str]] = field(default_factory=list)
    spoiled: set[Where] = field(default_factory=set)
    """Places whose text could not be read: nothing that follows from it is reported."""
    places: set[str] = field(default_factory=set)
    """Dotted paths of the trial's config at which something is wrong."""

    def add(self, where: Where, path: str, text: str) -> None:
        """Note one problem at a dotted `path` (empty: the whole file)."""
        entry = (where, f"{path}: {text}" if path else text)
        if entry not in self.lines and where not in self.spoiled:
            self.lines.append(entry)

    def __len__(self) -> int:
        return len(self.lines)

    def raise_if_any(self) -> None:
        """Raise one SpecError that lists the problems by file and line."""
        if self.lines:
            raise SpecError(*self.messages())

    def messages(self) -> list[str]:
        """Return the problems by file and line, at most `SHOWN`, and how many more there are."""
        sources = list(dict.fromkeys(where.source for where, _ in self.lines))
        ordered = sorted(self.lines, key=lambda e: (sources.index(e[0].source), e[0].line or 0))
        shown = [f"{where}: {text}" for where, text in ordered[:SHOWN]]
        if len(ordered) > SHOWN:
            shown.append(f"... and {len(ordered) - SHOWN} more")
        return shown
