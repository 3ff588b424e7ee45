"""Whether the address that a search is copied to can be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tid_tune.errors import UsageError
from tid_tune.preflight.findings import Finding, error
from tid_tune.preflight.plan import Plan
from tid_tune.tracking.address import address_of


def check_tracking(plan: Plan) -> Iterator[Finding]:
    """Find an address with a variable that is not set, or without a scheme."""
    if plan.spec is None or not plan.spec.tracking.enabled:
        return
    try:
        address_of(plan.spec, Path.cwd())
    except UsageError as problem:
        yield error(str(problem))
