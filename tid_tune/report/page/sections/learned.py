"""What was learned, in three sentences: the opening of the page."""

from __future__ import annotations

from tid_tune.insight.sentences import sentences
from tid_tune.report.page.blocks import Section, Text
from tid_tune.report.page.study import Study


def section(study: Study) -> Section | None:
    """Return the section; None before the first trial of the search began."""
    if not any(trial.stage == "search" for trial in study.state.trials.values()):
        return None
    found = sentences(study.insight, study.verdict, study.names)
    blocks = [Text(text, "lead") for text in (found.mattered, found.did_not, found.noise)]
    return Section("learned", "What was learned", "", blocks)
