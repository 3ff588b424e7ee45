"""How Optuna writes distributions, and how it is kept quiet. Imported only where it is used."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterable, Iterator

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tid_tune.space.values import Value, as_number, is_number


def storable(value: Value) -> bool | int | float | str | None:
    """Return a value as Optuna's storage can hold it: lists and maps become JSON text."""
    return json.dumps(value, sort_keys=True) if isinstance(value, list | dict | tuple) else value


def one_of(values: Iterable[Value]) -> CategoricalDistribution:
    """Return the choice between `values`, each once."""
    options = {json.dumps(value): value for value in map(storable, values)}
    return CategoricalDistribution(list(options.values()))


def range_of(extremes: tuple[Value, ...], tried: Iterable[Value], *, log: bool) -> BaseDistribution:
    """Return the range from the lowest to the highest of `extremes` and `tried`.

    Integers if all are, and a choice between those tried if not all are numbers. `log` is dropped
    where values that were tried do not allow it.
    """
    tried = list(tried)
    if not all(map(is_number, tried)):
        return one_of(tried)
    numbers = [as_number(value) for value in (*extremes, *tried)]
    whole = [value for value in numbers if isinstance(value, int)]
    if len(whole) == len(numbers):
        return IntDistribution(min(whole), max(whole), log=log and min(whole) >= 1)
    low, high = min(numbers), max(numbers)
    return FloatDistribution(low, high, log=log and low > 0)


def codes_of(size: int | None, *, unordered: bool) -> BaseDistribution:
    """Return the numbers below `size`, or [0, 1] for a continuum (None)."""
    if size is None:
        return FloatDistribution(0.0, 1.0)
    return CategoricalDistribution(range(size)) if unordered else IntDistribution(0, size - 1)


@contextlib.contextmanager
def quiet_optuna() -> Iterator[None]:
    """Silence Optuna's notes about experimental options we chose on purpose."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
