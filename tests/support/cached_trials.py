"""Trials with a cache of the teacher's work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from support.trial_runs import log_only
from tid_tune.distill.cache import store as store_module
from tid_tune.distill.cache.folders import CacheFolder
from tid_tune.distill.cache.store import Store
from tid_tune.searchfile.model import Interval
from tid_tune.trial.trial import Trial

DISTILLER = """
model = dict(
    type='Distiller', student=_detector,
    teacher=dict(config='{folder}/teacher.py', checkpoint='{folder}/teacher.pth'),
    distillation=dict(
        method='tid', key_threshold=0.5, weak_threshold=0.2, thresholds='fixed', pos_iou=0.3,
        neg_iou=0.1, cls_pos=0.012, cls_neg=0.005))
custom_imports = dict(imports=['tid_tune.distill.distiller'], allow_failed_imports=False)
"""


FLIP = 0.5


FLIPPED = "dict(type='RandomFlip', prob=0.5)"


RESIZING = """'DetDataPreprocessor', batch_augments=[dict(
    type='BatchSyncRandomResize', random_size_range=(64, 96), interval=1, size_divisor=32)], """


def make(
    config: Path, work_dir: Path, params: dict[str, Any] | None = None, epochs: int = 2
) -> Trial:
    return Trial(
        config,
        params or {},
        seed=0,
        epochs=epochs,
        report_every=Interval(count=epochs),
        work_dir=work_dir,
        device="cpu",
    )


def cached(folder: Path, **options: Any) -> dict[str, Any]:
    return {"model.teacher.cache": {"dir": str(folder / "cache"), "gib": 1, **options}}


def train(
    config: Path, folder: Path, params: dict[str, Any] | None = None, epochs: int = 2
) -> dict[str, float]:
    """The training's log-only values, as in `log_only`."""
    with make(config, folder / "work", params, epochs) as trial:
        trial.proof()
        values = log_only(trial.step())
    for store in list(store_module._OPEN.values()):
        store.flush()
    return values


def pixels(picture: Path) -> NDArray[np.uint8]:
    return np.asarray(cv2.imread(str(picture)), np.uint8)


def caches(folder: Path) -> list[CacheFolder]:
    return CacheFolder.all_in(folder / "cache")


def counts(folder: Path) -> tuple[int, int, int]:
    """Entries, hits and misses of the only cache."""
    (found,) = caches(folder)
    return Store.shared(found, 2**30, {}).counts()
