"""How the engine's decisions become events."""

from __future__ import annotations

from typing import Any

from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Report, Trial
from tid_tune.ledger.state import RunState
from tid_tune.search.decision import Assignment, Decision, Pause, Stop
from tid_tune.search.stages.plan import Planned
from tid_tune.space.space import FRACTION_KEY


class Journal:
    """Writes events; `state` has taken each one in when the method returns."""

    def __init__(self, ledger: Ledger, state: RunState) -> None:
        self.ledger = ledger
        self.state = state

    def suggest(self, planned: Planned, epochs: int, fraction: float = 1.0) -> Trial:
        """Record a new trial."""
        name = f"t{len(self.state.trials) + 1:04d}"
        self.ledger.append(
            "suggest",
            trial=name,
            stage=planned.stage,
            label=planned.label,
            params=planned.params,
            edits=_with_fraction(planned.edits, fraction),
            seed=planned.seed,
            origin=planned.origin,
            method=planned.method,
            epochs=epochs,
            fraction=fraction,
            of=planned.of,
        )
        return self.state.trials[name]

    def change(
        self,
        trial: Trial,
        origin: str,
        *,
        edits: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        fraction: float | None = None,
        restart: Report | None = None,
    ) -> None:
        """Record that a paused trial goes on with other values, data, or checkpoint."""
        fraction = trial.fraction if fraction is None else fraction
        self.ledger.append(
            "suggest",
            trial=trial.id,
            stage=trial.stage,
            label=trial.label,
            params=trial.params if params is None else params,
            edits=_with_fraction(trial.edits if edits is None else edits, fraction),
            seed=trial.seed,
            origin=origin,
            method=trial.method,
            epochs=trial.epochs,
            fraction=fraction,
            of=trial.of,
            checkpoint=None if restart is None else restart.checkpoint,
            step=0 if restart is None else restart.step,
        )

    def start(self, trial: Trial) -> Assignment:
        """Record that a trial is handed out, and return it as work."""
        checkpoint, step = trial.resume_point()
        segment = trial.segment + 1
        self.ledger.append(
            "start", trial=trial.id, segment=segment, node="", checkpoint=checkpoint, step=step
        )
        return Assignment(
            trial=trial.id,
            stage=trial.stage,
            label=trial.label,
            params=dict(trial.params),
            edits=dict(trial.edits),
            seed=trial.seed,
            epochs=trial.epochs,
            checkpoint=checkpoint,
            step=step,
            segment=segment,
        )

    def end(
        self, trial: Trial, outcome: str, reason: str = "", kind: str = "", of: str | None = None
    ) -> None:
        """Record that a trial's run is over, and how long it has run since it last reported."""
        fields: dict[str, Any] = {} if of is None else {"of": of}
        if trial.active_since is not None:
            fields["seconds"] = max(0.0, self.ledger.clock() - trial.active_since)
        self.ledger.append(
            "end",
            trial=trial.id,
            outcome=outcome,
            reason=reason,
            kind=kind,
            epoch=trial.epoch,
            **fields,
        )

    def stage(self, stage: str, **fields: Any) -> None:
        """Record what a stage decided."""
        self.ledger.append("stage", stage=stage, **fields)


def recorded(decision: Decision) -> dict[str, str]:
    """Return a decision as the fields of a report event."""
    match decision:
        case Pause():
            return {"decision": "pause", "reason": decision.reason, "kind": decision.kind}
        case Stop():
            return {"decision": "stop", "reason": decision.reason, "kind": ""}
    return {"decision": "continue", "reason": "", "kind": ""}


def _with_fraction(edits: dict[str, Any], fraction: float) -> dict[str, Any]:
    rest = {key: value for key, value in edits.items() if key != FRACTION_KEY}
    return rest if fraction == 1.0 else {**rest, FRACTION_KEY: fraction}
