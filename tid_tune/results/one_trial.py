"""The rows of one trial's tables: the values it had in turn, its proof, its reports, its config."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tid_tune.ledger.events import Changed, Opened, Started, Suggested
from tid_tune.ledger.file import read_events
from tid_tune.ledger.records import Trial
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space.values import Value


@dataclass(frozen=True)
class ProofRow:
    """A value that was set, and what was read back from the live objects; None: not started."""

    path: str
    sampled: Value
    effective: str | None

    @property
    def shown(self) -> str:
        """The sampled value as it is written in Python."""
        return repr(rounded(self.sampled))


def rounded(value: Value) -> Value:
    """Return a value with the numbers in it at six significant digits, for the terminal."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def changes(ledger: Path, trial: Trial) -> list[Suggested | Changed]:
    """Return how a trial was suggested and what changed since, in order."""
    return [
        event
        for event in read_events(ledger)
        if isinstance(event, Suggested | Changed) and event.trial == trial.id
    ]


def trained_by(ledger: Path, trial: Trial, spec: SearchSpec) -> SearchSpec:
    """Return the spec with the resources that a worker had when it last took the trial.

    A search may go on with other resources; one that no worker took would have those of `spec`.
    """
    opened = found = None
    for event in read_events(ledger):
        if isinstance(event, Opened):
            opened = event
        elif isinstance(event, Started) and event.trial == trial.id:
            found = opened
    if found is None:
        return spec
    return spec.model_copy(update={"resources": SearchSpec.recorded(found.spec).resources})


def proof_rows(trial: Trial) -> list[ProofRow]:
    """Return the sampled values beside the effective ones, as they are written in Python."""
    known = trial.effective or {}
    return [
        ProofRow(path, value, repr(rounded(known[path])) if path in known else None)
        for path, value in trial.edits.items()
    ]


def config_diff(trial: Trial, config: Path) -> Iterator[str]:
    """Yield the trial's resolved config as a unified diff against `config`, that of the search."""
    from tid_tune.openmmlab.configs import load_config

    before = load_config(config, imports=False).pretty_text
    edits = {path: rounded(value) for path, value in trial.edits.items()}
    after = load_config(config, edits, imports=False).pretty_text
    yield from difflib.unified_diff(
        before.splitlines(), after.splitlines(), config.name, trial.id, n=1, lineterm=""
    )
