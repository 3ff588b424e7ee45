"""What a model detects in the images of a split, kept in a file so that it is computed once."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tid_tune.errors import UsageError
from tid_tune.files import replacing
from tid_tune.report.analysis.analysis import Analysis, analyze
from tid_tune.report.analysis.breakdown import MAX_DETECTIONS
from tid_tune.report.analysis.columns import Detections, Truth
from tid_tune.report.views.judged import Judged, judge_images

_TRUTH = ("box_image", "box_class", "boxes", "areas", "crowd")
_DETECTIONS = ("image", "label", "boxes", "scores")


@dataclass(frozen=True)
class Evaluated:
    """A model's detections on a split, or on its first images.

    Attributes:
        name: of the model, as it is shown.
        role: of the palette.
        truth: of the images used.
        detections: at most 100 an image and class.
        files: of the images used; empty texts where they are unknown.
        total: images of the whole split.
    """

    name: str
    role: str
    truth: Truth
    detections: Detections
    files: tuple[str, ...]
    total: int

    @property
    def images(self) -> int:
        """How many images were used."""
        return len(self.truth.image_ids)

    @cached_property
    def analysis(self) -> Analysis:
        """AP tables and errors."""
        return analyze(self.truth, self.detections)

    @cached_property
    def judged(self) -> Judged:
        """How it does on each image."""
        return judge_images(self.truth, self.detections)

    def save(self, path: Path) -> None:
        """Write it to a file, at once or not at all."""
        truth = self.truth
        about = {
            "name": self.name,
            "role": self.role,
            "classes": truth.classes,
            "groups": truth.groups,
            "category_ids": truth.category_ids.tolist(),
            "image_ids": truth.image_ids,
            "files": self.files,
            "total": self.total,
        }
        best = self.detections.best(MAX_DETECTIONS)
        columns = {f"truth_{name}": getattr(truth, name) for name in _TRUTH}
        columns |= {f"found_{name}": getattr(best, name) for name in _DETECTIONS}
        text = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
        with replacing(path) as partial:
            np.savez_compressed(partial, about=text, **columns)


def read_evaluated(path: Path) -> Evaluated | None:
    """Return what `save` wrote; None: it is not there, or cannot be read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            about: dict[str, Any] = json.loads(content["about"].tobytes())
            truth = Truth(
                tuple(about["classes"]),
                tuple(about["groups"]),
                np.array(about["category_ids"], dtype=object),
                tuple(about["image_ids"]),
                *(content[f"truth_{name}"] for name in _TRUTH),
            )
            found = Detections(*(content[f"found_{name}"] for name in _DETECTIONS))
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None
    return Evaluated(
        about["name"], about["role"], truth, found, tuple(about["files"]), about["total"]
    )


def require_same_images(models: Sequence[Evaluated]) -> None:
    """Check that models were evaluated on the same images and classes.

    Raises:
        UsageError: they were not; names the two, and what differs.
    """
    first = models[0]
    for other in models[1:]:
        a, b = first.truth, other.truth
        if a.classes != b.classes:
            what = f"{len(a.classes)} and {len(b.classes)} classes, or other names of them"
        elif a.image_ids != b.image_ids:
            what = f"other images ({len(a.image_ids)} and {len(b.image_ids)})"
        elif not np.array_equal(a.boxes, b.boxes):
            what = "other objects in the same images"
        else:
            continue
        raise UsageError(
            f"{first.name} and {other.name} cannot be compared: their configs evaluate on {what}. "
            "Give both the same validation set and `metainfo`"
        )
