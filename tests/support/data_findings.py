"""What the check of a config's data finds."""

from __future__ import annotations

from pathlib import Path

from tid_tune.openmmlab.configs import Config
from tid_tune.preflight.data import check_data
from tid_tune.preflight.findings import Finding
from tid_tune.preflight.plan import Plan


def found(settings: Config) -> list[Finding]:
    """Return everything that is found."""
    return list(check_data(Plan(settings, Path("config.py"))))


def errors(settings: Config) -> list[str]:
    """Return the texts of the errors."""
    return [finding.text for finding in found(settings) if finding.severity == "error"]
