"""The sections of the report page, one module each, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable

from tid_tune.report.page.blocks import Section
from tid_tune.report.page.sections import (
    confirmation,
    costs,
    course,
    curves,
    failures,
    methods,
    pareto,
    trials,
    verdict,
)
from tid_tune.report.page.study import Study

SECTIONS: tuple[Callable[[Study], Section | None], ...] = (
    verdict.section,
    confirmation.section,
    methods.section,
    pareto.section,
    course.section,
    curves.section,
    costs.section,
    failures.section,
    trials.section,
)
"""Each returns None where it has nothing to show."""
