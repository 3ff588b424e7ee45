"""Detections of baseline, best and teacher, on the images where the first two differ most."""

from __future__ import annotations

import numpy as np

from tid_tune.report.page.blocks import Block, Details, ImageBlock, Section, Text
from tid_tune.report.page.study import Study

IMAGES, OPEN, MOST_BYTES = 4, 2, 120_000
"""Pictures, of them those that need no click, and the bytes that one may take."""


def section(study: Study) -> Section | None:
    """Return the section, if models were evaluated, differ, and the images are there."""
    found = study.models
    if len(found) < 2:
        return None
    from tid_tune.report.views.canvas import webp_within
    from tid_tune.report.views.detection_picture import detection_picture
    from tid_tune.report.views.error_charts import used_images
    from tid_tune.report.views.judged import differing_images

    first, second = found[0], found[1]
    blocks: list[Block] = []
    for image in differing_images(first.judged, second.judged, IMAGES):
        picture = detection_picture(found, image)
        if picture is not None:
            change = second.judged.quality[image] - first.judged.quality[image]
            name = first.truth.image_ids[image]
            caption = f"Image {name}: quality {change:+.2f} from {first.name} to {second.name}."
            alt = f"Objects of image {name}, and what each model detects there"
            data = webp_within(picture, MOST_BYTES)
            number = f"detections_{len(blocks) + 1}"
            blocks.append(ImageBlock(data, alt, caption, "webp", name=number))
    if not blocks:
        return None
    change = second.judged.quality - first.judged.quality
    better, worse = int((change > 0).sum()), int((change < 0).sum())
    scores = ", ".join(f"{model.name} {model.judged.score:.2f}" for model in found)
    intro = (
        f"On {used_images(found)}, {second.name} is better than {first.name} on {better}, worse on "
        f"{worse}, equal on {int(np.sum(change == 0))}. These are the images where the two differ "
        "most, in either direction."
    )
    rule = (
        "How the images are chosen: the quality of a model on an image is the sum of the IoUs of "
        "its hits, divided by hits + (false alarms + missed objects) / 2. A hit has the right "
        "class and an IoU of 0.5. Images with fewer objects than half of the images have are left "
        "out, and of the others the largest differences are shown. Each model is shown at the "
        f"score that gives it the best F1 on all images: {scores}."
    )
    shown: list[Block] = [*blocks[:OPEN], Text(rule, "note")]
    if len(blocks) > OPEN:
        shown.insert(OPEN, Details("More images", blocks[OPEN:]))
    return Section("detections", "Where the models differ", intro, shown)
