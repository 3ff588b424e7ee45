"""Searches whose workers train several trials side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from support.search_cases import (
    SPACE,
    make_spec,
    report,
    sampler_of,
    scheduler_of,
)
from tid_tune.ledger.events import Started
from tid_tune.ledger.file import Ledger
from tid_tune.search.decision import Pack
from tid_tune.search.engine import Search
from tid_tune.search.simulate import VirtualClock
from tid_tune.searchfile.model import Resources, SearchSpec

BATCH = "train_dataloader.batch_size"


PLAIN: dict[str, Any] = {
    "scheduler": scheduler_of("none"),
    "sampler": sampler_of("random"),
    "baseline": False,
}


def packed(students: int | str = 4, **changes: Any) -> SearchSpec:
    resources = Resources.model_validate({"students": students})
    # Private paths, as those of real searches are.
    space = {
        f"model.distillation.{name}": found for name, found in SPACE.items() if name != "quantile"
    }
    return make_spec(**{**PLAIN, "resources": resources, "space": space, **changes})


def opened(students: int | str = 4, **changes: Any) -> Search:
    return Search.open(packed(students, **changes), Ledger.in_memory(clock=VirtualClock()))


def take(search: Search, size: int = 4) -> Pack:
    pack = search.next_pack(size)
    assert isinstance(pack, Pack)
    return pack


def names(pack: Pack) -> list[str]:
    return [member.trial for member in pack.members]


def most_side_by_side(search: Search) -> int:
    """The most trials that ran in one pack at a time."""
    states = replayed(search.ledger)
    return max(len(pack.running) for state in states for pack in state.packs.values())


def packs_of(search: Search) -> list[list[str]]:
    """The trials that were started in each pack, in order."""
    packs: dict[str, list[str]] = {}
    for event in search.ledger.events():
        if isinstance(event, Started):
            packs.setdefault(event.pack, []).append(event.trial)
    return list(packs.values())


def step(search: Search, pack: Pack, epoch: float, values: dict[str, float]) -> None:
    """Report an epoch of the named members of a pack."""
    for member in pack.members:
        if member.trial in values:
            report(search, member, epoch, values[member.trial])


def replayed(ledger: Ledger) -> Iterator[Any]:
    """Yield the state after each event."""
    from tid_tune.ledger.state import RunState

    state = RunState()
    for event in ledger.events():
        state.apply(event)
        yield state
