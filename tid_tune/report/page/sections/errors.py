"""What baseline, best and teacher get wrong: curves, errors by size, AP by class."""

from __future__ import annotations

from tid_tune.report.page.blocks import Section, Text
from tid_tune.report.page.study import Study


def section(study: Study) -> Section | None:
    """Return the section, if the models of the run have been evaluated."""
    if len(study.models) < 2:
        return None
    from tid_tune.report.views.error_charts import error_charts, used_images

    found = study.models
    intro = (
        f"Measured on {used_images(found)}, each with the weights that it has in the end. The "
        "figures are those of `tid-tune eval`."
    )
    blocks = list(error_charts(found))
    if not found[0].analysis.breakdown.similar:
        note = (
            "No two classes share a supercategory, or all do: so there is no Sim, and every "
            "confusion of classes is Oth."
        )
        return Section("errors", "What the models get wrong", intro, [*blocks, Text(note, "note")])
    return Section("errors", "What the models get wrong", intro, blocks)
