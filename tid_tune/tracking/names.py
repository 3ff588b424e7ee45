"""Names as MLflow takes them: one for each of ours, and always the same one."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable

from tid_tune.dotted import last
from tid_tune.ledger.records import Status, Trial
from tid_tune.results.ranking import is_undistilled
from tid_tune.searchfile.model import SearchSpec

LOG10 = "log10/"
"""Before the name of a parameter: its decimal logarithm."""
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


def trial_name(trial: Trial, spec: SearchSpec, gain: float | None) -> str:
    """Return `t0006 0.549 (+0.237)`: the trial, its latest objectives, its gain.

    What is not searched is named (`t0001 none 0.312`), and how far a trial is that has not come to
    its full length (`t0005 epoch 2: 0.128 (+0.034)`): its value belongs to that epoch. It stands
    before the value, because lists cut the end of a name.
    """
    parts = [trial.id, *_kind(trial)]
    report = trial.last
    if report is not None:
        values = [report.metrics[name] for name in spec.objectives if name in report.metrics]
        colon = ":" if values else ""
        parts += [] if trial.full_length else [f"epoch {report.epoch:g}{colon}"]
        parts += [", ".join(f"{value:.3f}" for value in values)] if values else []
        parts += [f"({gain:+.3f})"] if _has_gain(trial, gain) else []
        parts += [] if report.fraction == 1.0 else [f"of {report.fraction:.3g} of the data"]
    if trial.status in (Status.FAILED, Status.DUPLICATE):
        parts.append(trial.status.value)
    return " ".join(parts)[:LENGTH]


def search_name(spec: SearchSpec, best: Trial | None, gain: float | None) -> str:
    """Return `digits-gfl-tid 0.549 (+0.237)`: the search, the value and the gain of its best."""
    value = None if best is None else best.value(spec.first_objective)
    parts = [] if value is None else [f"{value:.3f}"]
    parts += [] if gain is None else [f"({gain:+.3f})"]
    return " ".join([spec.name, *parts])


def rung_name(objective: str, epoch: float, epochs: int) -> str:
    """Return `rungs/bbox_mAP_epoch_02`: of an objective where trials of equal length compare.

    The digits are those of the full length, so that names are in the order of epochs.
    """
    whole, dot, part = f"{epoch:g}".partition(".")
    return f"rungs/{objective}_epoch_{whole.zfill(len(str(epochs)))}{dot}{part}"


def short_names(objectives: Iterable[str]) -> dict[str, str]:
    """Return the last step of each objective's name, unless two of them have the same one."""
    names = list(objectives)
    lasts = [name.rpartition("/")[2] for name in names]
    return {
        name: step if step and lasts.count(step) == 1 else name
        for name, step in zip(names, lasts, strict=True)
    }


def param_names(paths: Iterable[str]) -> dict[str, str]:
    """Return the last key of each dotted path, unless two of them have the same one."""
    names = list(paths)
    lasts = [last(path) for path in names]
    return {
        path: key if lasts.count(key) == 1 else path for path, key in zip(names, lasts, strict=True)
    }


def plain(text: str) -> str:
    """Return a text that means nothing in Markdown."""
    return "".join(f"\\{one}" if one in "\\|*_`[]<>#" else one for one in text)


def _has_gain(trial: Trial, gain: float | None) -> bool:
    """Return whether a gain says something: that of the student alone is 0, it is compared with."""
    return gain is not None and math.isfinite(gain) and not is_undistilled(trial)


def _kind(trial: Trial) -> list[str]:
    """Return what a trial is, unless it is searched: a baseline, or a rerun of which one."""
    if trial.stage == "confirm":
        return [f"confirm {trial.label} seed {trial.seed}"]
    # The label of a search trial is its method, where several are compared.
    return [trial.label] if trial.label else []
