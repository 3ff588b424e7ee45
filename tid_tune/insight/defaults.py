"""The values that the searched parameters have without a search: where an ablation path begins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tid_tune.errors import ConfigError
from tid_tune.ledger.records import Trial
from tid_tune.ledger.state import RunState
from tid_tune.results.ranking import baseline_called
from tid_tune.search.stages.plan import DEFAULTS
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Value

_DISTILLATION = "model.distillation."


@dataclass(frozen=True)
class Defaults:
    """The values of a method as it is, by path, as far as they are known.

    `trial` is the baseline that was trained with them; None: there is none.
    """

    values: dict[str, Value]
    trial: Trial | None


def defaults_of(state: RunState, spec: SearchSpec, method: str, paths: Iterable[str]) -> Defaults:
    """Return the defaults of parameters.

    They are those that the baseline proved to have trained with, where it did, else those of the
    trials' config, and of the method's settings where the config is silent.
    """
    label = f"{method} {DEFAULTS}" if len(spec.method) > 1 else DEFAULTS
    trial = baseline_called(state, label)
    proved = dict(trial.effective or {}) if trial is not None else {}
    paths = list(paths)
    missing = [path for path in paths if path not in proved]
    known = _from_config(spec, method, missing) if missing else {}
    values = {path: proved.get(path, known.get(path)) for path in [*proved, *known]}
    return Defaults({path: values[path] for path in paths if path in values}, trial)


def _from_config(spec: SearchSpec, method: str, paths: list[str]) -> dict[str, Value]:
    """Return what the config of the trials says of paths; nothing where it cannot be read."""
    from tid_tune.openmmlab.configs import Config, get_value, load_config, set_value

    try:
        config: Config = load_config(spec.trial, imports=False)
        for path, value in spec.fixed.items():
            set_value(config, path, value)
    except ConfigError:
        return {}
    found: dict[str, Value] = {}
    for path in paths:
        try:
            found[path] = _plain(get_value(config, path))
        except ConfigError:
            found.update(_of_method(config, path, method))
    return found


def _of_method(config: object, path: str, method: str) -> dict[str, Value]:
    """Return the default of a method's option, if `path` is one."""
    from tid_tune.distill.registry import DEFAULT, option_for
    from tid_tune.openmmlab.configs import Config, get_value

    assert isinstance(config, Config)
    key = path.removeprefix(_DISTILLATION)
    if key == path:
        return {}
    try:
        if not method:
            given = get_value(config, "model.distillation")
            method = str(given.get("method", DEFAULT))
        return {path: _plain(option_for(key, method).default)}
    except ConfigError:
        return {}


def _plain(value: object) -> Value:
    """Return a value of a config as JSON has it."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
