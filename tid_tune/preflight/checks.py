"""All checks, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tid_tune.console import say, shown_path
from tid_tune.errors import ConfigError
from tid_tune.preflight.findings import Finding
from tid_tune.preflight.plan import Plan
from tid_tune.preflight.tracking import check_tracking

Check = Callable[[Plan], Iterable[Finding]]

OF_ALL: tuple[Check, ...] = (check_tracking,)
"""Checks of every search, also of one whose trainable is the user's own."""


def of_detectors() -> tuple[Check, ...]:
    """Return the checks of configs that our trial trains."""
    # Here, not above: they import torch and mmdet, which takes ten seconds and more.
    from tid_tune.preflight.build import check_build
    from tid_tune.preflight.data import check_data
    from tid_tune.preflight.weights import check_first_weights, check_teacher_weights

    return (check_data, check_build, check_teacher_weights, check_first_weights)


def check(plan: Plan) -> list[Finding]:
    """Return what the checks find, up to the first check that finds an error.

    Later checks would report the same fault again, in other words.
    """
    found: list[Finding] = []
    for one in (*OF_ALL, *(of_detectors() if plan.detects else ())):
        found += one(plan)
        if any(finding.severity == "error" for finding in found):
            break
    return list(dict.fromkeys(found))


def require(plan: Plan) -> None:
    """Print the warnings and notes on a plan; end the command if there are errors.

    Raises:
        ConfigError: lists the errors.
    """
    found = check(plan)
    for finding in found:
        if finding.severity != "error":
            say(f"{finding.severity}: {finding.text}")
    errors = [finding.text for finding in found if finding.severity == "error"]
    if errors:
        where = shown_path(plan.source)
        raise ConfigError(*(f"{where}: {text}" for text in errors))
