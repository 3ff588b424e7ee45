"""The table of a search's nodes: what each has, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from tid_tune.nodes.survey import DataFacts, NodeFacts, Questions
from tid_tune.report.tables import plain_table
from tid_tune.results.disk import size_text

_NONE = "-"


def node_table(nodes: Sequence[NodeFacts], questions: Questions) -> Table:
    """Draw one line a node."""
    data = [dataset.part for dataset in questions.datasets]
    table = plain_table("node", "storage", "free", *data, "teacher", "GPUs, free", "versions")
    for one in nodes:
        if one.fault:
            table.add_row(one.node, one.fault)
            continue
        storage = "not usable" if one.storage else "written, read"
        free = _NONE if one.free is None else size_text(one.free)
        parts = [_data_text(facts) for facts in one.data]
        versions = ", ".join(f"{name} {version}" for name, version in one.versions)
        table.add_row(
            one.node, storage, free, *parts, one.teacher or _NONE, _gpus_text(one), versions
        )
    return table


def _data_text(facts: DataFacts) -> str:
    if facts.missing:
        return "missing"
    objects = "" if facts.objects is None else f", {facts.objects} objects"
    return f"{facts.images} images{objects}, {facts.digest}"


def _gpus_text(facts: NodeFacts) -> str:
    """Return the GPUs with the memory that is free on each."""
    return "; ".join(f"{gpu.name} {size_text(gpu.free)}" for gpu in facts.gpus) or _NONE
