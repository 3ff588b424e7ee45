"""Key and weak area of the best trial: over the epochs, by level, and over images."""

from __future__ import annotations

from tid_tune.report.page.blocks import Block, ImageBlock, Section, Text
from tid_tune.report.page.study import Study

MOST_IMAGES, MOST_BYTES = 2, 150_000
"""Of the pictures; each takes no more bytes than these."""
UNRECORDED = (
    "{trial} has recorded no areas over images, so there are no pictures of them here. The command "
    "`tid-tune draw areas {run}` draws those at the end of its training."
)


def section(study: Study) -> Section | None:
    """Return the section, if the best trial's method has areas."""
    if study.winner is None:
        return None
    from tid_tune.report.views.area_charts import training_chart

    chart = training_chart(study.winner)
    blocks: list[Block] = [] if chart is None else [chart]
    pictures = _pictures(study)
    blocks += pictures
    if not blocks:
        return None
    if not pictures:
        blocks.append(
            Text(UNRECORDED.format(trial=study.winner.id, run=study.run.pasted()), "note")
        )
    intro = (
        "The key area is where the teacher is sure of class and box, the weak area where the "
        "student is still behind. Both are found anew in each iteration, so they move as the "
        f"student learns. Shown is the best trial, {study.winner.id}."
    )
    return Section("areas", "Key and weak areas", intro, blocks)


def _pictures(study: Study) -> list[Block]:
    from tid_tune.report.views.area_picture import draw_areas_of
    from tid_tune.report.views.canvas import read_pixels, webp_within
    from tid_tune.report.views.recorded import record_of_trial

    assert study.winner is not None
    record = record_of_trial(study.run, study.winner)
    if record is None:
        return []
    blocks: list[Block] = []
    for place, image in enumerate(record.images[:MOST_IMAGES]):
        pixels = read_pixels(image.file)
        data = webp_within(draw_areas_of(record, place, pixels, study.winner.id), MOST_BYTES)
        grey = "" if pixels is not None else " The image file is not there, so they are on grey."
        caption = (
            f"Validation image {image.image_id} of {study.winner.id}: rows are the levels of the "
            "feature pyramid, columns the epochs. Each square is a point of the level. The "
            f"percentages are of the level's points.{grey}"
        )
        alt = "An image with its key and weak areas, by level and epoch"
        name = f"areas_{place + 1}"
        blocks.append(ImageBlock(data, alt, caption, "webp", name=name))
    return blocks
