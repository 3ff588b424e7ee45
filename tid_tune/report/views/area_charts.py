"""How key and weak area move in a training: their shares by level, and what each area costs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from tid_tune.distill.area_codes import shares
from tid_tune.ledger.records import Report, Trial
from tid_tune.report.charts.model import Axis, Chart, Line, Panel
from tid_tune.report.charts.palette import series
from tid_tune.trial.area_file import AreaRecord

_SHARE = re.compile(r"train/distill/area_(key|weak)_l(\d+)")
_LOSS = re.compile(r"train/loss_distill_(key|weak|rest)")
WHERE = {"key": "key area", "weak": "weak area"}
LOSS_ROLES = {"key": "series5", "weak": "series4", "rest": "stopped"}


def training_chart(trial: Trial) -> Chart | None:
    """Return the shares and losses that a trial has reported, as means over the training images.

    None where its method reports no areas, or it has reported less than twice.
    """
    reports = [report for report in trial.reports if any(map(_SHARE.fullmatch, report.metrics))]
    if len(reports) < 2:
        return None
    epochs = [report.epoch for report in reports]
    panels = [_share_panel(_levels(reports, epochs, area), where) for area, where in WHERE.items()]
    losses = sorted({n for r in reports for n in r.metrics if _LOSS.fullmatch(n)})
    lines = [
        Line(f"{area} term", epochs, [r.metrics.get(name) for r in reports], LOSS_ROLES[area])
        for name in losses
        for area in [name.rpartition("_")[2]]
    ]
    if lines:
        panels.append(Panel(_epochs(), Axis("loss, weighted"), lines, "loss of each area"))
    caption = (
        f"{trial.id}. Means over all training images of the interval that ends at an epoch: the "
        "share of a level's points in each area, and what the area adds to the loss. A point of "
        "both areas counts once."
    )
    return Chart("areas", "Key and weak area during training", caption, panels)


def record_chart(record: AreaRecord, name: str) -> Chart | None:
    """Return the shares in recorded images by epoch; None for less than two epochs."""
    if len(record.epochs) < 2:
        return None
    levels = range(len(record.images[0].strides))
    panels = []
    for place, where in enumerate(WHERE.values()):
        lines = [
            Line(
                _level_name(level, record.images[0].strides),
                record.epochs,
                [
                    shares(record.level(moment, level), record.first)[place]
                    for moment in range(len(record.epochs))
                ],
                series(level),
            )
            for level in levels
        ]
        panels.append(_share_panel(lines, where))
    caption = (
        f"{name}. The share of a level's points, in {len(record.images)} validation images. A "
        f"point of both areas counts as {record.first}."
    )
    return Chart("area_shares", "Key and weak area of the recorded images", caption, panels)


def _levels(reports: Sequence[Report], epochs: Sequence[float], area: str) -> list[Line]:
    names = sorted(
        {name for report in reports for name in report.metrics if _SHARE.fullmatch(name)},
        key=lambda name: (name.split("_")[-2], int(name.rpartition("_l")[2])),
    )
    found = {kind: list(group) for kind, group in groupby(names, lambda n: n.split("_")[-2])}
    return [
        Line(f"level {n}", epochs, [r.metrics.get(name) for r in reports], series(n))
        for n, name in enumerate(found.get(area, []))
    ]


def _level_name(level: int, strides: Sequence[int]) -> str:
    return f"level {level} (stride {strides[level]})"


def _epochs() -> Axis:
    return Axis("epoch")


def _share_panel(lines: Sequence[Line], title: str) -> Panel:
    most = max((y for line in lines for y in line.ys if y is not None), default=0.0)
    return Panel(
        _epochs(), Axis("share of the points", limits=(0, 1.1 * most or 1.0)), lines, title
    )
