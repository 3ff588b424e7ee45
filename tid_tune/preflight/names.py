"""Class names of the config against those of its annotation files, and what mmdet does with them.

mmdet's CocoDataset and CocoMetric look for the names of `metainfo.classes` among the categories of
a file and number those they find in the order of the file (`cat_ids`, `cat2label`). So a name that
the file lacks moves the numbers of those after it, boxes of other categories are dropped, and a
list in another order gives each label the name of another class. VOCDataset numbers by the config.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tid_tune.console import shown_path
from tid_tune.data.table import Table
from tid_tune.errors import nearest
from tid_tune.preflight.findings import Finding, error, warning
from tid_tune.preflight.sources import Source

SHOWN = 3
"""So many names of a list are shown; the rest is counted."""


def compare(source: Source, table: Table) -> Iterator[Finding]:
    """Yield how the class names of a source differ from those of its file."""
    wrong = list(_wrong(source, table))
    yield from wrong or _dropped(source, table)


def _wrong(source: Source, table: Table) -> Iterator[Finding]:
    """Yield that names are missing in the file, or in another order there."""
    found = table.classes
    missing = [name for name in source.classes if name not in found]
    if source.form == "coco":
        numbered = tuple(name for name in found if name in source.classes)
        if missing:
            yield _missing(source, table, missing, numbered)
        elif numbered != source.classes:
            yield _order(source, numbered)
    elif missing and len(missing) == len(source.classes):
        yield _missing(source, table, missing, source.classes)
    elif any(_typo(name, source, found) for name in missing):
        yield _missing(source, table, missing, ())


def _missing(
    source: Source, table: Table, missing: Sequence[str], numbered: Sequence[str]
) -> Finding:
    """Return what comes of names that the file does not have."""
    verb = "is" if len(missing) == 1 else "are"
    known = "no category" if source.form == "coco" else "no class of an object"
    hints = [
        f"{name!r}: did you mean {typo!r}?"
        for name in missing
        if (typo := _typo(name, source, table.classes))
    ]
    others = [name for name in table.classes if name not in source.classes]
    if not hints and others:
        hints = [f"the file has {listed(others)}, which the config does not name"]
    hint = f" ({'; '.join(hints[:SHOWN])})" if hints else ""
    text = f"{_claim(source)} {listed(missing)}, which {verb} {known} of {_file(source)}{hint}; "
    last = source.classes[: len(numbered)] == tuple(numbered)
    if source.trains and last and not others:
        return warning(
            f"{text}there are no boxes to learn {'it' if len(missing) == 1 else 'them'} from"
        )
    if source.form == "voc":
        text += "mmdet skips objects of other names. "
    elif last and not source.trains:
        text += "mmdet cannot evaluate detections of a class that the file does not list. "
    else:
        text += (
            "mmdet finds classes by name, so it drops the boxes of other names and gives the "
            "classes after a missing one the numbers before theirs. "
        )
    return error(text + _fix(source, table))


def _order(source: Source, numbered: Sequence[str]) -> Finding:
    """Return that the names of the config are in another order than those of the file."""
    place, (ours, theirs) = next(
        (index, pair)
        for index, pair in enumerate(zip(source.classes, numbered, strict=True))
        if pair[0] != pair[1]
    )
    return error(
        f"{_claim(source)} the names of {_file(source)} in another order; mmdet numbers classes in "
        f"the order of the file, so label {place} is {theirs!r} and would be called {ours!r}. "
        f"{_write(source, numbered)}"
    )


def _dropped(source: Source, table: Table) -> Iterator[Finding]:
    """Yield a warning of boxes whose class the config does not name."""
    counts = np.bincount(table.box_class, minlength=len(table.classes)).tolist()
    lost = {
        name: count
        for name, count in zip(table.classes, counts, strict=True)
        if count and name not in source.classes
    }
    if lost and len(lost) < sum(count > 0 for count in counts):
        use = "trained on" if source.trains else "evaluated"
        yield warning(
            f"{source.place}: {sum(lost.values())} of {sum(counts)} boxes of {_file(source)} are "
            f"not {use}: metainfo.classes does not name {listed(list(lost))}"
        )


def differ(one: Source, other: Source) -> Iterator[Finding]:
    """Yield the first label that two sources give different names."""
    ours, theirs = one.classes, other.classes
    if ours == theirs:
        return
    if set(ours) == set(theirs) or len(ours) == len(theirs):
        label = next(i for i in range(len(ours)) if ours[i] != theirs[i])
        what = f"label {label} is {ours[label]!r} in the first and {theirs[label]!r} in the second"
    else:
        what = f"they have {len(ours)} and {len(theirs)} classes"
    yield error(
        f"{one.place} ({_file(one)}) and {other.place} ({_file(other)}) do not number the same "
        f"classes: {what}; list the same categories in the same order in both files, and the same "
        "metainfo.classes in both datasets"
    )


def listed(names: Sequence[str]) -> str:
    """Return the names in quotes; of many, the first few and how many more there are."""
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _typo(name: str, source: Source, found: Sequence[str]) -> str | None:
    """Return the name of the file that is like `name` and that the config does not have."""
    return nearest(name, [other for other in found if other not in source.classes])


def _claim(source: Source) -> str:
    if source.named:
        return f"{source.place}: metainfo.classes has"
    return f"{source.place}: there is no metainfo.classes, so the names of the dataset's type have"


def _fix(source: Source, table: Table) -> str:
    if source.form == "coco":
        return _write(source, table.classes)
    return f"Write the names as in the xml files: {listed(table.classes)}"


def _write(source: Source, names: Sequence[str]) -> str:
    quoted = ", ".join(repr(name) for name in names)
    if len(quoted) > 200:
        return f"Set metainfo=tid_tune.data.coco.metainfo({str(source.annotations)!r})"
    return f"Set metainfo=dict(classes=({quoted}{',' if len(names) == 1 else ''}))"


def _file(source: Source) -> str:
    return str(shown_path(source.annotations))
