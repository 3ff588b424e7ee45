"""What a trial reports of an interval."""

from __future__ import annotations

from dataclasses import dataclass

LOG_FILE = "trial.log"
"""In a trial's folder: what its training has printed."""
AREAS_FILE = "areas.npz"
"""In a trial's folder: the key and weak areas of a few images; see `tid_tune.trial.area_file`."""
TEACHER_CACHED = "train/teacher_cached"
"""A metric: the share of an interval's images of which the teacher's work was in its cache."""
TRAINING_SPEED = "train/images_per_second"
"""A metric: images a second of an interval's training, evaluation left out."""


@dataclass(frozen=True)
class TrialReport:
    """One report interval.

    `step` counts iterations trained in all, `epoch` is the same in epochs. `metrics` has the
    evaluation under its own names (`coco/bbox_mAP`) and, log-only, the interval's training under
    `train/`. `seconds` and `images` are what this interval cost and trained on.
    """

    step: int
    epoch: float
    metrics: dict[str, float]
    seconds: float
    images: int
    done: bool
