"""The confirmation: candidates and baselines trained again with the same new seeds."""

from __future__ import annotations

from collections.abc import Sequence

from tid_tune.report.charts.model import Axis, Bars, Chart, Panel, Points
from tid_tune.report.charts.palette import series
from tid_tune.report.page.blocks import Block, Cell, Column, Section, TableBlock
from tid_tune.report.page.study import Study
from tid_tune.report.page.words import label_text, signed, value_text
from tid_tune.search.stages.plan import NONE
from tid_tune.search.stages.statistics import Estimate
from tid_tune.search.stages.verdict import Comparison, Group, Verdict
from tid_tune.words import counted


def section(study: Study) -> Section | None:
    """Return the section, if a rerun was completed."""
    verdict = study.verdict
    if verdict is None or not any(group.values for group in _groups(verdict)):
        return None
    intro = (
        "The best trials and the baselines were trained again with the same new seeds: the value "
        "that made a trial the best of many is too good to be true. Differences are between "
        "trainings with the same seed, and their intervals hold together with a probability of "
        "95 %."
        f"\n\n{_readable(verdict.text)}."
    )
    blocks: list[Block] = [_seeds_chart(verdict, study)]
    compared = _references(verdict)
    if compared:
        blocks.append(_gains_chart(verdict, compared, study))
    blocks.append(_table(verdict, compared))
    title = "Confirmation" if study.is_over else "Confirmation so far"
    return Section("confirmation", title, intro, blocks)


def _readable(text: str) -> str:
    """Return the text of a verdict with `none` as a reader understands it."""
    return label_text(text).replace(f" against {NONE}:", f" against {label_text(NONE)}:")


def _groups(verdict: Verdict) -> tuple[Group, ...]:
    return (*verdict.candidates, *verdict.baselines)


def _name(group: Group) -> str:
    return f"{group.name} ({label_text(group.method)})" if group.method else label_text(group.name)


def _references(verdict: Verdict) -> list[str]:
    return list(dict.fromkeys(c.baseline for g in verdict.candidates for c in g.comparisons))


def _seeds_chart(verdict: Verdict, study: Study) -> Chart:
    marks, names = [], []
    for group in _groups(verdict):
        seeds = sorted(group.values)
        if seeds:
            names.append(_name(group))
            marks.append(
                Points(
                    "",
                    [group.values[seed] for seed in seeds],
                    [_name(group)] * len(seeds),
                    _role(group, verdict),
                    [f"{_name(group)}, seed {s}: {value_text(group.values[s])}" for s in seeds],
                )
            )
    panel = Panel(Axis(study.objective), Axis("", names=names), marks, height=80 + 36 * len(marks))
    return Chart(
        "confirmation_seeds",
        "Each rerun",
        "A point is one training with a new seed.",
        [panel],
        wide=True,
    )


def _role(group: Group, verdict: Verdict) -> str:
    if group in verdict.candidates:
        return "best" if group.name == verdict.winner else "search"
    return "none" if group.name == "none" else "defaults"


def _comparison(group: Group, reference: str) -> Comparison | None:
    return next((c for c in group.comparisons if c.baseline == reference), None)


def _gains_chart(verdict: Verdict, references: Sequence[str], study: Study) -> Chart:
    roles = {"none": "none", "defaults": "defaults"}
    marks = []
    for at, reference in enumerate(references):
        found = [
            (_name(group), comparison.difference)
            for group in verdict.candidates
            if (comparison := _comparison(group, reference)) is not None
        ]
        gaps = [gap for _, gap in found]
        known = all(gap.low is not None and gap.high is not None for gap in gaps)
        marks.append(
            Bars(
                f"over {label_text(reference)}",
                [name for name, _ in found],
                [gap.mean for gap in gaps],
                roles.get(reference, series(at + 2)),
                [gap.low or 0.0 for gap in gaps] if known else (),
                [gap.high or 0.0 for gap in gaps] if known else (),
            )
        )
    bars = sum(len(mark.names) for mark in marks)
    panel = Panel(
        Axis(f"gain in {study.objective}"),
        Axis(""),
        marks,
        height=90 + 26 * bars,
    )
    caption = (
        "Bars are means over the seeds, lines are 95 % intervals. A gain whose interval holds 0 is "
        "not clear: it may be noise."
    )
    title = "Gain of the candidates"
    if len(references) == 1:  # then there is no legend
        title += f" over {label_text(references[0])}"
    return Chart("confirmation_gains", title, caption, [panel], wide=True)


def _table(verdict: Verdict, references: Sequence[str]) -> TableBlock:
    rows = []
    for group in _groups(verdict):
        seeds = " ".join(value_text(group.values[seed]) for seed in sorted(group.values))
        failed = f" ({group.failures} failed)" if group.failures else ""
        known = group.estimate
        mean = "" if known is None else Cell(value_text(known.mean), known.mean)
        gaps = [_gap(_comparison(group, reference)) for reference in references]
        rows.append([Cell(_name(group), role=_role(group, verdict)), seeds + failed, mean, *gaps])
    columns = [Column("trained again"), Column("by seed", number=True), Column("mean", number=True)]
    columns += [Column(f"over {label_text(reference)}") for reference in references]
    names = [group.name for group in verdict.candidates]
    marked = names.index(verdict.winner) if verdict.winner in names else None
    reruns = sum(len(group.values) for group in _groups(verdict))
    return TableBlock(f"{counted(reruns, 'rerun')}, best mean first.", columns, rows, marked=marked)


def _gap(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    gap = comparison.difference
    return f"{signed(gap.mean)}{_interval(gap)}: {comparison.verdict}"


def _interval(gap: Estimate) -> str:
    if gap.low is None or gap.high is None:
        return ""
    return f" ({signed(gap.low)} to {signed(gap.high)})"
