"""From a config and a checkpoint to the analysis."""

from __future__ import annotations

from pathlib import Path

from tid_tune.export.student import build_student, student_weights
from tid_tune.openmmlab.configs import load_config
from tid_tune.preflight.data import require_readable
from tid_tune.report.analysis.analysis import Analysis, analyze
from tid_tune.report.analysis.collect import Split, Watch, collect


def evaluate_checkpoint(
    config: Path,
    checkpoint: Path,
    split: Split = "val",
    *,
    limit: int | None = None,
    device: str = "auto",
    watch: Watch = lambda done, total: None,
) -> Analysis:
    """Evaluate the detector of an mmdet config, or the student of a Distiller's config.

    Args:
        config: the config file.
        checkpoint: weights of a plain detector or of a Distiller (`student.*`).
        split: which of the config's dataloaders.
        limit: use the first images only.
        device: "auto", "cpu", "cuda", ...
        watch: called after every image.

    Raises:
        ConfigError: a file is missing, or the weights do not fit.
        DataError: the data cannot be read.
        UsageError: there is no such device.
    """
    loaded = load_config(config)
    require_readable(loaded, split)
    weights = student_weights(checkpoint)
    detector = build_student(loaded, weights, device=device, named=str(checkpoint))
    collected = collect(detector, loaded, split, limit, watch)
    return analyze(collected.truth, collected.detections, voc=collected.voc)
