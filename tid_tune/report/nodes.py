"""The nodes of a search before anything is trained: a row for each, and what they have in common.

Where most nodes have the same data, teacher or version, it is one line below the rows; what
differs has a line with the nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence

from rich.console import Group
from rich.text import Text

from tid_tune.nodes.survey import MISSING, DataFacts, Gpu, NodeFacts, Questions
from tid_tune.report.fitting import Column, fitted, flowing, table_of
from tid_tune.results.disk import size_text
from tid_tune.words import counted

ROWS = 8
"""With more nodes than these, nodes that are alike share a row."""
NAMED = 3
"""Nodes that a line names."""
_NONE = "-"
_LABEL = 10
"""Columns of a line's label."""
_REPORTED = "written, read"


def node_table(nodes: Sequence[NodeFacts], questions: Questions, width: int) -> Group:
    """Draw what nodes have; no row is longer than `width`, and no text is cut.

    Args:
        nodes: what each has reported.
        questions: what they were asked.
        width: of the terminal, in columns.
    """
    groups = _alike(nodes) if len(nodes) > ROWS else [[one] for one in nodes]
    columns = [
        Column("node", [_group_name(group) for group in groups], stays=True),
        Column("storage", [_storage_text(group[0]) for group in groups], stays=True),
        Column("free", [_free_text(group) for group in groups], right=True, stays=True),
        Column("GPUs, free on each", [_gpus_text(group) for group in groups]),
    ]
    kept = fitted(columns, width)
    heard = [one for one in nodes if not one.fault]
    shares = [] if kept == columns else [("GPUs", _shares(map(_gpu_names, heard), heard))]
    lines = [line for fact in [*shares, *_facts(heard, questions)] for line in _lines(*fact, width)]
    return Group(table_of(kept), *map(Text, lines))


def _alike(nodes: Iterable[NodeFacts]) -> list[list[NodeFacts]]:
    """Return the nodes in groups, each of nodes with the same storage and GPUs."""
    groups: dict[Hashable, list[NodeFacts]] = {}
    for one in nodes:
        groups.setdefault((_storage_text(one), _gpu_names(one)), []).append(one)
    return list(groups.values())


def _group_name(group: Sequence[NodeFacts]) -> str:
    more = len(group) - 1
    return group[0].node + (f" +{more}" if more else "")


def _storage_text(one: NodeFacts) -> str:
    if one.fault:
        return "no report"
    return "not usable" if one.storage else _REPORTED


def _free_text(group: Sequence[NodeFacts]) -> str:
    """Return the free space of the node that has least."""
    known = [one.free for one in group if one.free is not None]
    return _at_least(known) if known else _NONE


def _gpus_text(group: Sequence[NodeFacts]) -> str:
    """Return the kinds of GPUs, with the memory that is free on each."""
    texts = []
    for name, count in Counter(map(_kind, group[0].gpus)).items():
        free = [gpu.free for one in group for gpu in one.gpus if _kind(gpu) == name]
        texts.append(f"{count} x {name} {_at_least(free)}")
    return "; ".join(texts) or _NONE


def _at_least(sizes: Sequence[int]) -> str:
    texts = {size_text(size) for size in sizes}
    return f"{'' if len(texts) == 1 else '>= '}{size_text(min(sizes))}"


def _gpu_names(one: NodeFacts) -> str:
    kinds = Counter(map(_kind, one.gpus))
    return "; ".join(f"{count} x {name}" for name, count in kinds.items()) or "none"


def _kind(gpu: Gpu) -> str:
    return gpu.name.removeprefix("NVIDIA ")


def _facts(
    nodes: Sequence[NodeFacts], questions: Questions
) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield the label of a line, and what nodes have: each dataset, the teacher, the versions."""
    if not nodes:
        return
    for index, dataset in enumerate(questions.datasets):
        yield dataset.part, _shares((_data_text(one.data[index]) for one in nodes), nodes)
    if questions.teacher is not None:
        yield "teacher", _shares((one.teacher or MISSING for one in nodes), nodes)
    usual: list[str] = []
    others: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for one in nodes for name, _ in one.versions):
        versions = (f"{name} {dict(one.versions).get(name, MISSING)}" for one in nodes)
        (most, _), *differing = _shares(versions, nodes).items()
        usual.append(most)
        others |= dict(differing)
    yield "versions", {", ".join(usual): [], **others}


def _data_text(facts: DataFacts) -> str:
    if facts.missing:
        return MISSING
    objects = "" if facts.objects is None else f", {counted(facts.objects, 'object')}"
    return f"{counted(facts.images, 'image')}{objects} ({facts.digest})"


def _shares(texts: Iterable[str], nodes: Sequence[NodeFacts]) -> dict[str, list[str]]:
    """Return what nodes have, with their names; what most have comes first."""
    groups: dict[str, list[str]] = {}
    for text, one in zip(texts, nodes, strict=True):
        groups.setdefault(text, []).append(one.node)
    return dict(sorted(groups.items(), key=lambda pair: -len(pair[1])))


def _lines(label: str, shares: dict[str, list[str]], width: int) -> Iterator[str]:
    """Yield lines, broken after a comma: what most nodes have, and then what others have."""
    for at, (text, names) in enumerate(shares.items()):
        first, *more = names[:NAMED] if at else [""]
        parts = [f"{text} on {first}", *more] if at else text.split(", ")
        if at and len(names) > NAMED:
            parts.append(f"{len(names) - NAMED} more")
        commas = [*(f"{part}," for part in parts[:-1]), parts[-1]]
        for line in flowing(commas, width - _LABEL, " "):
            yield f"{label:<{_LABEL}}{line}"
            label = ""
