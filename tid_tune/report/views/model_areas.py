"""Key and weak areas of one model as it is, on images of its validation set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from tid_tune.device import pick_device
from tid_tune.distill.area_maps import area_maps, finds_areas, precedence, teacher_batch
from tid_tune.distill.model_config import is_distiller
from tid_tune.errors import ConfigError, UsageError
from tid_tune.export.student import student_weights
from tid_tune.openmmlab.checkpoints import load_into
from tid_tune.openmmlab.detector_types import DetectionDataset
from tid_tune.openmmlab.models import build_detector, revert_sync_batchnorm
from tid_tune.openmmlab.registries import DATASETS
from tid_tune.openmmlab.setup import prepare, quiet
from tid_tune.preflight.data import require_readable
from tid_tune.report.views.models import Model, require_images
from tid_tune.trial.area_file import AreaRecord
from tid_tune.trial.area_record import recorded_image
from tid_tune.trial.fixed_images import choose_images, load_image


@torch.no_grad()
def areas_of_model(
    model: Model, *, images: int = 2, chosen: Sequence[str] = (), device: str = "auto"
) -> AreaRecord:
    """Return the areas of a student with its config's teacher.

    The epoch is the last one of the model's trial, or 0, for unknown.

    Args:
        model: its config is a Distiller's, with a method that has areas; the weights may be those
            of a student that was trained without one.
        images: so many with objects, evenly spread over the validation set.
        chosen: the images by their id in the annotations, instead.
        device: "auto", "cpu", "cuda", ...

    Raises:
        ConfigError: config, weights or teacher cannot be used.
        UsageError: there is no such image, or the method has no areas.
    """
    settings: Any = model.config.get("model") or {}
    if not is_distiller(settings):
        raise ConfigError(
            f"{model.config.filename or model.name} is a plain detector's config: areas compare a "
            "student with its teacher. Name a config whose model is a Distiller"
        )
    require_readable(model.config, "val")
    prepare()
    with quiet():
        dataset: Any = DATASETS.build(model.config.val_dataloader.dataset)
        built = revert_sync_batchnorm(build_detector(settings))
    if not finds_areas(built):
        method = settings.get("distillation", {}).get("method")
        raise UsageError(f"the distillation method {method} has no key and weak areas; tid has")
    load_into(built.student, student_weights(model.checkpoint), source=str(model.checkpoint))
    built.to(pick_device(device)).eval()
    wanted = places_of(dataset, chosen) or choose_images(dataset, images)
    if not wanted:
        raise UsageError(f"none of the {len(dataset)} images of the validation set has objects")
    found = []
    for index in wanted:
        image = load_image(dataset, index, built)
        batch = teacher_batch(built, image.inputs, image.instances, image.meta)
        maps = area_maps(built, image.inputs, batch)
        found.append((recorded_image(image, maps), maps))
    codes = np.concatenate([level.ravel() for _, maps in found for level in maps.levels])
    return AreaRecord(
        tuple(image for image, _ in found), (model.epoch,), codes[None], precedence(built)
    )


def places_of(dataset: DetectionDataset, chosen: Sequence[str]) -> list[int]:
    """Return the indices of the images of these ids."""
    if not chosen:
        return []
    infos = (dataset.get_data_info(index) for index in range(len(dataset)))
    ids = {str(info["img_id"]): index for index, info in enumerate(infos)}
    return [ids[name] for name in require_images(chosen, ids, "in the validation set")]
