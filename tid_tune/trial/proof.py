"""Read searched values back from the objects that train, to prove that they are in effect."""

from __future__ import annotations

from collections.abc import Mapping

from tid_tune import dotted
from tid_tune.distill.model_config import PRECISION_PATH
from tid_tune.errors import ConfigError, TrialError
from tid_tune.openmmlab.configs import get_value
from tid_tune.space.values import same
from tid_tune.trial.runner import TrialRunner

_MISSING = object()
_OPTIMIZER = "optim_wrapper.optimizer."


def effective(runner: TrialRunner, params: Mapping[str, object]) -> dict[str, object]:
    """Return, for every path of `params`, the value in effect.

    `model.distillation.X` is read from the settings the method computes its loss with;
    `model.teacher.precision` from the teacher, where the method has one;
    `optim_wrapper.optimizer.X` from the optimizer's parameter groups (for the learning rate: the
    one schedules start from, before automatic scaling by batch size); other paths below `model`
    from the module's attribute where there is one; the rest from the config the runner was built
    from.
    """
    return {path: _value(runner, path) for path in params}


def prove(runner: TrialRunner, params: Mapping[str, object]) -> None:
    """Compare the values in effect with those of `params`.

    Raises:
        TrialError: kind `user`, a value in effect is not the one wanted.
    """
    found = effective(runner, params)
    wrong = [
        f"`{path}` should be {value!r} but {found[path]!r} is in effect"
        for path, value in params.items()
        if not _holds(found[path], value)
    ]
    if wrong:
        raise TrialError(
            "the trial would train with other values than it was given: " + "; ".join(wrong), "user"
        )


def _value(runner: TrialRunner, path: str) -> object:
    for read in (_distillation_value, _teacher_value, _optimizer_value, _module_value):
        value = read(runner, path)
        if value is not _MISSING:
            return value
    try:
        return get_value(runner.cfg, path)
    except ConfigError:
        return None


def _distillation_value(runner: TrialRunner, path: str) -> object:
    method = getattr(runner.detector, "method", None)
    name = path.removeprefix("model.distillation.")
    if method is None or name == path:
        return _MISSING
    return getattr(method.settings, name, _MISSING)


def _teacher_value(runner: TrialRunner, path: str) -> object:
    found = getattr(runner.detector, "teacher_precision", None)
    return _MISSING if path != PRECISION_PATH or found is None else found


def _optimizer_value(runner: TrialRunner, path: str) -> object:
    name = path.removeprefix(_OPTIMIZER)
    if name == path:
        return _MISSING
    if name == "type":
        return type(runner.optim_wrapper.optimizer).__name__
    # With per-parameter factors, mmengine appends a group that has none: the last one.
    group = runner.optim_wrapper.param_groups[-1]
    value = group.get(f"initial_{name}", group.get(name, _MISSING))
    return value / _lr_scale(runner) if name == "lr" and value is not _MISSING else value


def _lr_scale(runner: TrialRunner) -> float:
    scaling = runner.auto_scale_lr or {}
    if not scaling.get("enable", False):
        return 1.0
    return float(runner.train_dataloader.batch_sampler.batch_size) / float(
        scaling["base_batch_size"]
    )


def _module_value(runner: TrialRunner, path: str) -> object:
    """Return the attribute at `path` below the model, if every step of it is an attribute."""
    keys = dotted.split(path)
    if keys[0] != "model" or len(keys) < 3:
        return _MISSING
    node: object = runner.detector
    for key in keys[1:]:
        node = getattr(node, key, _MISSING)
        if node is _MISSING:
            return _MISSING
    plain = node is None or isinstance(node, bool | int | float | str | list | tuple)
    return node if plain else _MISSING


def _holds(found: object, wanted: object) -> bool:
    """Return whether `found` is `wanted` up to rounding; maps may have more keys."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return all(_holds(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list | tuple) and isinstance(found, list | tuple):
        return len(wanted) == len(found) and all(map(_holds, found, wanted))
    return same(wanted, found, rel_tol=1e-9)
