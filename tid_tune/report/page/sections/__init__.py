"""The sections of the report page, one module each, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable

from tid_tune.report.page.blocks import Section
from tid_tune.report.page.sections import (
    ablation,
    areas,
    confirmation,
    costs,
    course,
    curves,
    detections,
    errors,
    failures,
    importance,
    interactions,
    learned,
    methods,
    pareto,
    rungs,
    trials,
    values,
    verdict,
)
from tid_tune.report.page.study import Study

SECTIONS: tuple[Callable[[Study], Section | None], ...] = (
    learned.section,
    verdict.section,
    confirmation.section,
    methods.section,
    pareto.section,
    course.section,
    curves.section,
    rungs.section,
    importance.section,
    values.section,
    interactions.section,
    ablation.section,
    detections.section,
    errors.section,
    areas.section,
    costs.section,
    failures.section,
    trials.section,
)
"""Each returns None where it has nothing to show."""
