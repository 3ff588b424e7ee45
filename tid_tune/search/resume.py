"""What a changed spec means for a search that has begun.

More trials, a larger budget and another space are accepted and reported. What would make old and
new trials incomparable is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from os.path import relpath
from typing import Any

from tid_tune.errors import UsageError
from tid_tune.ledger.records import Status, Trial
from tid_tune.ledger.state import RunState
from tid_tune.results.moved import fingerprint
from tid_tune.search.stages.plan import methods
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.parts import DEFAULT_TYPES, as_options, is_default_type
from tid_tune.space.space import Space, method_edits
from tid_tune.words import counted

FROZEN = {
    "trial": "the trials would train another config",
    "trainable": "the trials would run other code",
    "objectives": "the trials would be ranked by something else",
    "epochs": "the trials would have another length",
    "report_every": "the rungs would lie elsewhere",
    "seed": "the trials would have another seed",
}
_REPORTED = (
    "trials",
    "sampler",
    "scheduler",
    "evaluate_every",
    "method",
    "baseline",
    "confirm",
    "budget",
    "require",
    "keep",
    "resources",
    "failures",
    "cache",
)
SHOWN = 5
_NO_METHOD = "their method is not compared any more"


def with_recorded_sampler(state: RunState, spec: SearchSpec) -> SearchSpec:
    """Return the spec with the type of sampler that the run has, where the spec names none.

    The default depends on the number of trials, and was another one in earlier versions. A run
    keeps the one it began with; a recorded type that is no default was named, and is not kept.
    """
    recorded = SearchSpec.recorded(state.spec).sampler.type
    if not is_default_type(spec.sampler) or recorded not in DEFAULT_TYPES["sampler"]:
        return spec
    given = spec.sampler.model_dump(exclude_unset=True)
    options = as_options("sampler", {**given, "type": recorded})
    return spec.model_copy(update={"sampler": options})


def check_resumable(state: RunState, spec: SearchSpec) -> None:
    """Refuse a spec that cannot continue the recorded search.

    Raises:
        UsageError: names what changed, from what to what, and why that cannot be.
    """
    old, new = _recorded(state), spec.model_dump(mode="json")
    for field, why in FROZEN.items():
        if old[field] != new[field] and not (field == "trial" and _is_moved(state, spec)):
            raise UsageError(
                f"{field} has changed from {_show(old[field])} to {_show(new[field])} since "
                f"this run began: {why}, and could not be compared. Change it back, give the run "
                "another name, or start over with --fresh"
            )
    paused = [trial.id for trial in state.trials.values() if trial.status is Status.PAUSED]
    for field in ("scheduler", "method"):
        if paused and old[field] != new[field]:
            raise UsageError(
                f"{field} has changed while {_names(paused)} wait at a rung. Change it back, "
                "give the run another name, or start over with --fresh"
            )


def describe_resume(state: RunState, spec: SearchSpec) -> list[str]:
    """Return what continuing does, for the user, before it happens.

    `state` is that of the ledger before it is opened again.
    """
    parts = (_trials, _outside, _changes, _moved, _config_change)
    return [note for part in parts for note in part(state, spec)]


def _is_moved(state: RunState, spec: SearchSpec) -> bool:
    """Return whether the trials' config is the recorded one in a copied or moved folder.

    It has the same text, or the same place as seen from the search-space file.
    """
    recorded, text = SearchSpec.recorded(state.spec), fingerprint(spec.trial)
    return text is not None and (
        text == state.config_hash
        or (
            recorded.source is not None
            and spec.source is not None
            and recorded.source.name == spec.source.name
            and relpath(recorded.trial, recorded.source.parent)
            == relpath(spec.trial, spec.source.parent)
        )
    )


def _moved(state: RunState, spec: SearchSpec) -> list[str]:
    recorded = SearchSpec.recorded(state.spec).trial
    return [] if recorded == spec.trial else [f"trial: {recorded} is now {spec.trial}"]


def _config_change(state: RunState, spec: SearchSpec) -> list[str]:
    if state.config_hash == fingerprint(spec.trial):
        return []
    return [
        f"{spec.trial} has changed since the last run: if the change has an effect, earlier and "
        "later trials are not comparable (--fresh starts over)"
    ]


def _trials(state: RunState, spec: SearchSpec) -> list[str]:
    final = [t for t in state.trials.values() if t.status.final]
    notes = [f"{counted(len(final), 'finished trial')} kept"]
    paused = [t.id for t in state.trials.values() if t.status is Status.PAUSED]
    if paused:
        notes.append(f"{counted(len(paused), 'trial')} paused by the scheduler: {_names(paused)}")
    for trial in state.trials.values():
        if not trial.status.final and trial.status is not Status.PAUSED:
            why = f" ({trial.reason})" if trial.reason else ""
            where = f"epoch {trial.epoch:g} of {trial.epochs}"
            notes.append(f"{trial.id} continues at {where}{why}")
    searched = [t for t in state.trials.values() if _counts(t)]
    left = spec.trials - len(searched)
    if left > 0:
        notes.append(f"{counted(left, 'search trial')} still to come (of {spec.trials})")
    return notes


def _outside(state: RunState, spec: SearchSpec) -> list[str]:
    spaces = {m: Space(spec.space, spec.require, method_edits(m)) for m in methods(spec)}
    outside: dict[str, list[str]] = {}
    for trial in state.trials.values():
        if not _counts(trial):
            continue
        space = spaces.get(trial.method)
        why = _NO_METHOD if space is None else space.misfit(trial.params)
        if why is not None:
            outside.setdefault(why, []).append(trial.id)
    return [
        f"{_names(names)} outside the new space ({why}): kept as history and in the ranking, "
        "not seen by the sampler"
        for why, names in outside.items()
    ]


def _changes(state: RunState, spec: SearchSpec) -> list[str]:
    recorded, new = _recorded(state), spec.model_dump(mode="json")
    notes = []
    for field in _REPORTED:
        if recorded[field] != new[field]:
            notes.append(f"{field}: {_difference(recorded[field], new[field])}")
    before, after = recorded["space"], new["space"]
    for name in [*before, *(name for name in after if name not in before)]:
        old, now = before.get(name), after.get(name)
        if old == now:
            continue
        if now is None:
            notes.append(f"space: {name} is no longer searched")
        elif old is None:
            notes.append(f"space: {name} is new")
        else:
            notes.append(f"space: {name}: {_difference(old, now)}")
    return notes


def _recorded(state: RunState) -> dict[str, Any]:
    """Return the recorded spec in the form that this version records."""
    return SearchSpec.recorded(state.spec).model_dump(mode="json")


def _difference(old: object, new: object) -> str:
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return f"{_show(old)} -> {_show(new)}"
    keys = [*old, *(key for key in new if key not in old)]
    return ", ".join(
        f"{key} {_show(old.get(key))} -> {_show(new.get(key))}"
        for key in keys
        if old.get(key) != new.get(key)
    )


def _counts(trial: Trial) -> bool:
    return trial.stage == "search" and trial.status is not Status.DUPLICATE


def _show(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"
