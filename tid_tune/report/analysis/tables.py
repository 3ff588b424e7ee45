"""The analysis as tables for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from rich.table import Table

from tid_tune.report.analysis.analysis import Analysis
from tid_tune.report.analysis.breakdown import SHARES, STAGES
from tid_tune.report.analysis.curves import mean
from tid_tune.report.analysis.matching import AREAS
from tid_tune.report.analysis.voc import voc_map
from tid_tune.words import counted

NO_SIMILAR = (
    "Sim is empty: no two classes share a supercategory, or all do; so every confusion of classes "
    "counts as Oth."
)


def tables(analysis: Analysis) -> Iterator[Table]:
    """Yield the tables in the order they are read."""
    overall = list(analysis.table.overall().items())
    yield numbers_table(f"COCO, {_amount(analysis)}", dict(overall[:6]))
    yield numbers_table("Average recall", dict(overall[6:]))
    if analysis.voc is not None:
        yield numbers_table("Pascal VOC, mAP at IoU 0.5", voc_map(analysis.voc))
    yield class_table(analysis)
    yield shares_table(analysis)
    yield stages_table(analysis)


def numbers_table(title: str, numbers: Mapping[str, float]) -> Table:
    """Return named numbers side by side."""
    table = _table(title, numbers)
    table.add_row(*(_text(value) for value in numbers.values()))
    return table


def class_table(analysis: Analysis) -> Table:
    """Return one row for each class."""
    columns = {name: values for name, values in analysis.by_class().items() if name not in SHARES}
    table = _table("By class", ("boxes", *columns), first="class")
    for place, name in enumerate(analysis.truth.classes):
        numbers = [_text(float(values[place])) for values in columns.values()]
        table.add_row(name, str(analysis.table.boxes[place]), *numbers)
    return table


def shares_table(analysis: Analysis) -> Table:
    """Return what each error type costs, by size of the objects."""
    columns = [f"{name} %" for name in SHARES]
    table = _table("What keeps AP at IoU 0.5 from 100 %", columns, first="objects")
    for size in AREAS:
        shares = analysis.breakdown.shares(size).values()
        table.add_row(size, *("-" if math.isnan(v) else f"{100 * v:.1f}" for v in shares))
    return table


def stages_table(analysis: Analysis) -> Table:
    """Return the AP as errors are forgiven one by one, by size of the objects."""
    areas = mean(analysis.breakdown.areas_under_curve(), axis=2)
    table = _table("AP as errors are forgiven one by one", STAGES, first="objects")
    for place, size in enumerate(AREAS):
        table.add_row(size, *(_text(float(value)) for value in areas[:, place]))
    return table


def _amount(analysis: Analysis) -> str:
    truth = analysis.truth
    return (
        f"{counted(len(truth.image_ids), 'image')}, "
        f"{counted(int(truth.counts().sum()), 'box')}, "
        f"{counted(len(analysis.detections), 'detection')}"
    )


def _table(title: str, columns: Iterable[str], *, first: str = "") -> Table:
    table = Table(title=title, title_justify="left")
    if first:
        table.add_column(first)
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _text(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
