"""Names as MLflow takes them: one for each of ours, and always the same one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container

from tid_tune.ledger.events import Suggested

LENGTH = 250
"""MLflow's limit."""
_REFUSED = re.compile(r"[^/\w.\- :]")
_WORDS = {"@": "_at_", "%": "_percent_", "&": "_and_", "+": "_plus_", "#": "_number_"}
_STEPS = {"": "_", ".": "_", "..": "__"}
"""What MLflow refuses between two slashes."""


class Names:
    """Replaces what MLflow refuses in names; two names are never replaced by the same one.

    Where a replacement is taken already, it gets a number. Ask in the ledger's order, and a resumed
    search gets the same names again.
    """

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._taken: set[str] = set()

    def __call__(self, name: str) -> str:
        """Return the name to write."""
        if name not in self._given:
            self._given[name] = self._free(allowed(name))
            self._taken.add(self._given[name])
        return self._given[name]

    @property
    def replaced(self) -> dict[str, str]:
        """The names that were replaced so far, and by what."""
        return {name: given for name, given in self._given.items() if name != given}

    def _free(self, wanted: str) -> str:
        name, number = wanted, 2
        while name in self._taken:
            name, number = f"{wanted}_{number}", number + 1
        return name


def allowed(name: str) -> str:
    """Return a name that MLflow takes; `name` itself if it does."""
    replaced = _REFUSED.sub(lambda found: _WORDS.get(found[0], "_"), name)
    replaced = "/".join(_STEPS.get(step, step) for step in replaced.split("/"))
    if replaced.startswith(".."):
        replaced = f"_{replaced[1:]}"
    if len(replaced) <= LENGTH - 10:  # room for a number
        return replaced
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{replaced[: LENGTH - 20]}_{digest}"


def child_name(event: Suggested, fixed: Container[str] = ()) -> str:
    """Return `t0007 key_weight=0.31 lr=0.002`: the trial, and its values except `fixed` ones."""
    if event.stage == "confirm":
        return f"{event.trial} confirm {event.label} seed {event.seed}"
    if event.stage == "baseline":
        return f"{event.trial} {event.label}"
    params = {key: value for key, value in event.params.items() if key not in fixed}
    values = [f"{key.rsplit('.', 1)[-1]}={_short(v)}" for key, v in params.items()]
    # The label of a search trial is its method, where several are compared.
    return " ".join([event.trial, *filter(None, [event.label]), *values])[:250]


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
