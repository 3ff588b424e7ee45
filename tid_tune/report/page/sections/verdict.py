"""The verdict: the best values, their gain, what they cost, and how to take them away."""

from __future__ import annotations

from tid_tune.export.origin import VALUES, origin_of
from tid_tune.insight.gains import TUNED, baseline_text, gains_over_baselines
from tid_tune.report.baselines import NOTHING_LEARNED, nothing_learned, unbeaten_lines, why_nothing
from tid_tune.report.leaderboard import short_names, short_value
from tid_tune.report.page.blocks import Block, Code, Column, Section, TableBlock, Text, Tile, Tiles
from tid_tune.report.page.study import Study
from tid_tune.report.page.words import range_text, signed, value_text
from tid_tune.results.costs import device_name, overhead_text, run_cost, worker_time
from tid_tune.results.run_folder import BEST
from tid_tune.search.stages.plan import DEFAULTS, NONE
from tid_tune.search.stages.statistics import Estimate
from tid_tune.search.stages.verdict import Comparison, Group
from tid_tune.words import capitalized, counted, duration


def section(study: Study) -> Section:
    """Return the section; a search without a result has one that says why."""
    title = "The verdict" if study.is_over else "The verdict so far"
    if study.best is None:
        blocks: list[Block] = [Text(_nothing(study), "warning" if study.is_over else "note")]
        return Section("verdict", title, "", [*blocks, Tiles(_costs(study))])
    blocks = [
        Tiles([*_results(study), *_costs(study)]),
        *_remarks(study),
        *_how_to_confirm(study),
        _values_table(study),
        *_export(study),
    ]
    return Section("verdict", title, _sentence(study), blocks)


def _nothing(study: Study) -> str:
    if study.is_over:
        return capitalized(why_nothing(study.rows))
    return "No trial of the search has reached its full length yet, so there is no result so far."


def _sentence(study: Study) -> str:
    best, verdict = study.best, study.verdict
    assert best is not None
    if verdict is not None and verdict.best is not None:
        return _confirmed(verdict.best)
    if len(study.spec.objectives) > 1:
        return (
            f"Best in the first objective, {study.objective}: trial {best.trial}. The other trials "
            "that no trial beats in all objectives are in the Pareto front below."
        )
    return f"Best trial of full length: {best.trial}."


def _results(study: Study) -> list[Tile]:
    best = study.best
    assert best is not None
    group = None if study.verdict is None else study.verdict.best
    full = sum(row.rank is not None and row.stage == "search" for row in study.rows)
    chosen = f"the best of {counted(full, 'trial')} of full length, each with one seed"
    tiles = [
        Tile(f"{name} of {best.trial}", value_text(value), chosen if at == 0 else "")
        for at, (name, value) in enumerate(best.values.items())
    ]
    if group is not None and group.estimate is not None:
        known = group.estimate
        tiles = [
            Tile(
                f"{study.objective} of {group.name}, confirmed",
                value_text(known.mean),
                _interval(known, f"mean of {counted(known.count, 'new seed')}"),
            ),
            *tiles[1:],
        ]
        tiles += [
            Tile(
                f"gain over {baseline_text(comparison.baseline)}",
                signed(comparison.difference.mean),
                _interval(comparison.difference, comparison.verdict, "+"),
            )
            for comparison in _shown(group)
        ]
    elif study.winner is not None:
        gains = gains_over_baselines(study.winner, study.state, study.spec)
        tiles += [
            Tile(f"gain over {baseline_text(label)}", signed(gain), _unconfirmed(study))
            for label, gain in gains.items()
        ]
    if "teacher" in study.levels:
        tiles.append(Tile(f"{study.objective} of the teacher", value_text(study.levels["teacher"])))
    return tiles


def _confirmed(group: Group) -> str:
    method = f" ({group.method})" if group.method else ""
    found = [f" Over {baseline_text(c.baseline)}: {c.verdict}." for c in _shown(group)]
    return f"Best of the trials that were confirmed: {group.name}{method}.{''.join(found)}"


def _shown(group: Group) -> list[Comparison]:
    """Return the comparisons with no distillation, and with the defaults of the same method.

    Without a baseline, that with the tuned trials without distillation, if they were compared.
    """
    own = (NONE, DEFAULTS, f"{group.method} {DEFAULTS}")
    found = [c for c in group.comparisons if c.baseline in own]
    return found or [c for c in group.comparisons if c.baseline.endswith(TUNED)]


def _unconfirmed(study: Study) -> str:
    planned = study.spec.confirm is not None and not study.is_over
    note = (
        "at the same epoch and seed. One seed shows no interval, and the best of many noisy values "
        "is too good to be true"
    )
    return f"{note}; it will be confirmed with new seeds" if planned else f"{note}: not confirmed"


def _interval(known: Estimate, what: str, sign: str = "") -> str:
    if known.low is None or known.high is None:
        return f"{what}; one seed shows no interval"
    return f"{what}; 95 % interval {known.low:{sign}.3f} to {known.high:{sign}.3f}"


def _costs(study: Study) -> list[Tile]:
    cost, resources = run_cost(study.state), study.spec.resources
    device = device_name(resources)
    sessions = study.state.sessions
    wall = study.state.wall_seconds(sessions[-1].last) if sessions else 0.0
    trials = f"{counted(cost.trials, 'trial')}, {counted(round(cost.epochs, 3), 'epoch')}"
    ran, used = f"the search ran for {duration(wall)}", worker_time(study.state)
    if used.reported:
        ran += f"; {overhead_text(used)} (starting, waiting)"
    return [
        Tile("trained", trials, "baselines and reruns included, duplicates not"),
        Tile("cost", f"{cost.device_hours(resources):.2f} {device}-hours", ran),
    ]


def _remarks(study: Study) -> list[Text]:
    best = study.best
    assert best is not None
    lines = [] if study.verdict else list(unbeaten_lines(study.rows, best, study.spec))
    if nothing_learned(study.rows, study.spec):
        lines.append(NOTHING_LEARNED.format(objective=study.objective))
    if study.is_over and study.ended_early:
        lines.append(f"warning: the search ended before all trials were done: {study.state.closed}")
    return [
        Text(
            f"{capitalized(line.partition(': ')[2])}.",
            "warning" if line.startswith("warning") else "note",
        )
        for line in lines
    ]


def _how_to_confirm(study: Study) -> list[Code]:
    """Return the command that trains the best trials again with new seeds."""
    if not study.is_over or study.spec.confirm is not None or study.run.name != study.spec.name:
        return []
    caption = "Whether the gains are real: train the best trials and the baselines with new seeds"
    return [Code(study.confirming, caption)]


def _values_table(study: Study) -> TableBlock:
    """Return the best values beside what was searched."""
    best, space = study.best, study.spec.space
    assert best is not None
    names = short_names(list(best.params))
    rows = []
    for path, value in best.params.items():
        searched = range_text(space[path]) if path in space else ""
        rows.append([names[path], short_value(value), searched, path])
    caption = f"The values of {best.trial}, and what they were searched in."
    if study.insight.winning.arm.copies:
        caption += " They are the last ones: they changed during its training."
    columns = [
        Column("parameter"),
        Column("value", number=True),
        Column("searched in"),
        Column("path in the config"),
    ]
    return TableBlock(caption, columns, rows)


def _export(study: Study) -> list[Block]:
    winner, run = study.winner, study.run
    assert winner is not None
    text = origin_of(study.state, study.spec, winner).values()
    blocks: list[Block] = [
        Code(text, "The values as YAML, to paste under `start_from:` of a search file")
    ]
    shown = run.pasted()
    if run.files.size(f"{BEST}/{VALUES}") is not None:
        where = (
            f"The student is in `{run.shown(BEST)}`: a plain mmdet config and its weights, which "
            "need no tid-tune. Its README says how to use them. To take it elsewhere, or as ONNX:"
        )
    else:
        where = "The student as a plain mmdet config and weights, which need no tid-tune:"
    commands = f"tid-tune export {shown} --out DIR\ntid-tune export {shown} --out DIR --onnx"
    return [*blocks, Text(where), Code(commands)]
