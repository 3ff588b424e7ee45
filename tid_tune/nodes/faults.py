"""In what the nodes of a cluster differ, before anything is trained on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tid_tune.nodes.survey import MISSING, NodeFacts, Questions
from tid_tune.preflight.findings import Finding, error, warning
from tid_tune.words import counted

LOW_BYTES = 2 * 10**9
"""With less free space than this, a search is likely to end on a full disk."""
_SHOWN = 4
"""Nodes that a message names; the table has all."""


def node_findings(nodes: Sequence[NodeFacts], questions: Questions) -> Iterator[Finding]:
    """Yield what is wrong with nodes, and where they differ, each with what to do.

    Errors are what would fail trials or change their values; another version of a package, or
    little free space, is a warning.
    """
    for reason, group in _grouped((one.fault, one) for one in nodes if one.fault):
        yield error(f"{_names(group)}: {reason}")
    heard = [one for one in nodes if not one.fault]
    yield from _storage(heard, questions)
    yield from _data(heard, questions)
    yield from _teacher(heard, questions)
    yield from _versions(heard)


def _storage(nodes: Sequence[NodeFacts], questions: Questions) -> Iterator[Finding]:
    run = questions.run
    fix = (
        "give the node its credentials and a way to the store's endpoint"
        if "://" in run
        else "mount the folder of the runs at the same path on all nodes, writable, or name a "
        "shared folder, or the URI of a store, with --runs"
    )
    for reason, group in _grouped((one.storage, one) for one in nodes if one.storage):
        yield error(f"storage: {_names(group)}: {run} is {reason}; {fix}")
    low = [one for one in nodes if one.free is not None and one.free < LOW_BYTES]
    if low:
        yield warning(
            f"storage: {_names(low)}: less than {LOW_BYTES / 1e9:g} GB are free for {run}; "
            "free space, or keep fewer checkpoints (`keep` in the search space)"
        )


def _data(nodes: Sequence[NodeFacts], questions: Questions) -> Iterator[Finding]:
    for index, dataset in enumerate(questions.datasets):
        facts = [(one.data[index], one) for one in nodes]
        lacking = ((", ".join(fact.missing), one) for fact, one in facts if fact.missing)
        for missing, group in _grouped(lacking):
            yield error(
                f"{dataset.part} data: {_names(group)}: missing {missing}; copy the data to the "
                "same path on all nodes, or mount it there"
            )
        there = [(fact.digest, one) for fact, one in facts if fact.digest]
        for digest, group in _different(there):
            yield error(
                f"{dataset.part} data: {_names(group)}: another content of {dataset.annotations} "
                f"(digest {digest}) than on the other nodes; copy the same file to all nodes"
            )


def _teacher(nodes: Sequence[NodeFacts], questions: Questions) -> Iterator[Finding]:
    place = f"teacher: {questions.teacher}"
    lacking = [one for one in nodes if one.teacher == MISSING]
    if lacking:
        yield error(f"{place} is missing on {_names(lacking)}; copy it to the same path there")
    there = [(one.teacher, one) for one in nodes if one.teacher not in ("", MISSING)]
    for digest, group in _different(there):
        yield error(
            f"{place}: another file (digest {digest}) on {_names(group)} than on the other nodes; "
            "copy the same checkpoint to all nodes"
        )


def _versions(nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    for name in dict.fromkeys(name for one in nodes for name, _ in one.versions):
        versions = [(dict(one.versions).get(name, MISSING), one) for one in nodes]
        for version, group in _different(versions):
            text = (
                f"{name}: {_names(group)}: version {version}, unlike the other nodes; install the "
                "same versions on all nodes"
            )
            # Ours speak to each other: the messages of another version may not be understood.
            yield error(text) if name == "tid-tune" else warning(text)


def _grouped(pairs: Iterable[tuple[str, NodeFacts]]) -> Iterable[tuple[str, list[NodeFacts]]]:
    groups: dict[str, list[NodeFacts]] = {}
    for value, one in pairs:
        groups.setdefault(value, []).append(one)
    return groups.items()


def _different(
    pairs: Sequence[tuple[str, NodeFacts]],
) -> Iterator[tuple[str, list[NodeFacts]]]:
    """Yield the groups of nodes that have something else than most, or than the first ones."""
    usual = {value for value, _ in Counter(value for value, _ in pairs).most_common(1)}
    yield from _grouped(pair for pair in pairs if pair[0] not in usual)


def _names(nodes: Sequence[NodeFacts]) -> str:
    names = ", ".join(one.node for one in nodes[:_SHOWN])
    more = f" and {len(nodes) - _SHOWN} more" if len(nodes) > _SHOWN else ""
    return f"{'' if len(nodes) == 1 else counted(len(nodes), 'node') + ', '}{names}{more}"
