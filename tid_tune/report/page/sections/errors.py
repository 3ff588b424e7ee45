"""What baseline, best and teacher get wrong: curves, errors by size, AP by class."""

from __future__ import annotations

from tid_tune.report.page.blocks import Block, Section, Text
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
    blocks: list[Block] = list(error_charts(found))
    if not found[0].analysis.breakdown.similar:
        note = (
            "No two classes share a supercategory, or all do: so there is no Sim, and every "
            "confusion of classes is Oth."
        )
        blocks.append(Text(note, "note"))
    missing = missing_teacher(study)
    if missing:
        blocks.append(Text(missing, "note"))
    return Section("errors", "What the models get wrong", intro, blocks)


def missing_teacher(study: Study) -> str:
    """Return why the teacher is not among the models that were evaluated; empty where it is."""
    known, checkpoint = study.configured("model.teacher.checkpoint")
    if not known or not checkpoint or any(model.role == "teacher" for model in study.models):
        return ""
    return (
        f"The teacher is left out: there was no file of its weights, `{checkpoint}`, where the "
        "models were evaluated. It can be a teacher that was trained on another machine. Put the "
        f"file there, and `tid-tune report {study.run.pasted()}` shows the teacher, too."
    )
