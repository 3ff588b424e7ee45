"""Which metrics a search may optimize, as far as the config and the trainable show."""

from __future__ import annotations

from collections.abc import Mapping

from tid_tune.errors import suggestion
from tid_tune.searchfile.model import Direction
from tid_tune.searchfile.problems import Problems
from tid_tune.searchfile.source import DEFAULT_TRAINABLE, Header
from tid_tune.searchfile.tree import Node

DEFAULT = "coco/bbox_mAP"
COSTS = ("latency_ms", "gflops", "params_m")
"""Of the student, measured by a trial where a search asks for them; see `trial.deployment`."""
TRAINING = "train/"
"""Prefix of what a trial reports of its training; the names depend on the detector."""
_COCO = [f"bbox_mAP{suffix}" for suffix in ("", "_50", "_75", "_s", "_m", "_l")]
_REPORTED = {
    "CocoMetric": ("coco", _COCO),
    "VOCMetric": ("pascal_voc", ["mAP", "AP50"]),
}
_SMALLER_IS_BETTER = ("loss", "latency", "params", "flops", "_ms", "memory", "seconds", "size")


def read_objectives(
    header: Header, config: Mapping[str, object], tree: Node, problems: Problems
) -> dict[str, Direction]:
    """Return the metrics and their directions; note a metric that no trial would report."""
    reported = _reported(config)
    if header.objectives is not None:
        objectives, key = dict(header.objectives), "objectives"
    elif header.objective is not None:
        objectives, key = {header.objective: "max"}, "objective"
        if any(part in header.objective.lower() for part in _SMALLER_IS_BETTER):
            problems.add(
                tree.entries["objective"].where,
                "objective",
                "looks like a metric to minimize: write "
                f"`objectives: {{{header.objective}: min}}` (or `max` if you mean it)",
            )
    else:
        return {reported[0] if reported else DEFAULT: "max"}
    # A trainable of the user's own may report anything.
    if not reported or header.trainable != DEFAULT_TRAINABLE:
        return objectives
    for metric in objectives:
        if metric not in (*reported, *COSTS) and not metric.startswith(TRAINING):
            prefix = metric.partition("/")[0]
            known = [name for name in reported if name.startswith(f"{prefix}/")]
            where = tree.entries[key].entries.get(metric, tree.entries[key]).where
            hint = suggestion(metric, known or [*reported, *COSTS])
            text = f"val_evaluator of the config does not report {metric!r}; {hint}"
            problems.add(where, key, text)
    return objectives


def _reported(config: Mapping[str, object]) -> list[str]:
    """Return the metrics of the evaluators we know; none if one may report more than we know."""
    evaluators = config.get("val_evaluator")
    found: list[str] = []
    for evaluator in evaluators if isinstance(evaluators, list | tuple) else [evaluators]:
        entry = evaluator if isinstance(evaluator, Mapping) else {}
        known = _REPORTED.get(str(entry.get("type")).rpartition(".")[2])
        more = any(entry.get(key) for key in ("classwise", "metric_items", "iou_thrs"))
        usual = entry.get("metric", "bbox") in ("bbox", ["bbox"], ("bbox",), "mAP", ["mAP"])
        if known is None or more or not usual:
            return []
        prefix, names = known
        found += [f"{entry.get('prefix') or prefix}/{name}" for name in names]
    return found
