"""Find out before a training what would end it: the checks that need torch, mmdet or the data.

`check` is the one check of `tid-tune validate`, of `tid-tune run` before Ray starts, and of
`tid-tune train`. A module here holds the checks of one concern; each takes a `Plan` and yields
findings, and is listed in `preflight.checks`. What can be seen in the search file and the config
alone is checked in `searchfile.checks`, which needs none of these packages.
"""

from tid_tune.preflight.checks import check, remarks_and_errors, require
from tid_tune.preflight.findings import Finding, Severity
from tid_tune.preflight.plan import Plan

__all__ = ["Finding", "Plan", "Severity", "check", "remarks_and_errors", "require"]
