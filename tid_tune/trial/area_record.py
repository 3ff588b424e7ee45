"""Key and weak areas of a few fixed images over a training, as one small file a trial.

After an evaluation, the student that trains is run on the images as it is in an evaluation. The
training is the same, bit for bit, with and without it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tid_tune.distill.area_codes import AreaMaps
from tid_tune.distill.area_maps import area_maps, finds_areas, precedence, teacher_batch
from tid_tune.distill.context import Batch
from tid_tune.distill.distiller import Distiller
from tid_tune.files import replacing
from tid_tune.stalls import progress
from tid_tune.trial.area_file import BOXES, MAX_BYTES, AreaRecord, RecordedImage, read_record
from tid_tune.trial.fixed_images import FixedImage, choose_images, load_image
from tid_tune.trial.process import random_state, set_random_state
from tid_tune.trial.runner import TrialRunner


class AreaRecorder:
    """Records the areas of a trial; after a failure it leaves that be, and the trial goes on.

    Args:
        runner: of the trial; it has validation data.
        images: how many are looked at.
        path: of the file.
    """

    def __init__(self, runner: TrialRunner, images: int, path: Path) -> None:
        self._runner, self._count, self._path = runner, images, path
        self._indices: list[int] | None = None
        self._teacher: dict[int, Batch] = {}
        """The teacher's part, by index: it is the same at every epoch."""
        self._stopped = not finds_areas(runner.detector)

    def record(self, epoch: float) -> None:
        """Add the areas at this epoch to the file, if the method has any."""
        if self._stopped:
            return
        random = random_state()
        try:
            self._record(epoch)
        except Exception as error:
            # A picture is not worth a trial: neither a full disk nor an odd pipeline ends it.
            self._stopped = True
            kind = type(error).__name__
            self._runner.logger.warning("areas are not recorded: %s: %s", kind, error)
        finally:
            set_random_state(random)

    def _record(self, epoch: float) -> None:
        model = self._runner.detector
        assert finds_areas(model)
        was_training = model.training
        model.eval()
        try:
            found = [self._look(model, index) for index in self._chosen()]
        finally:
            model.train(was_training)
        if not found:
            return
        images = tuple(image for image, _ in found)
        codes = np.concatenate([level.ravel() for _, maps in found for level in maps.levels])
        before = read_record(self._path)
        if before is None or before.images != images:
            nothing = np.zeros((0, len(codes)), dtype=np.uint8)
            before = AreaRecord(images, (), nothing, precedence(model))
        content = before.with_moment(epoch, codes).within(MAX_BYTES)
        if len(content) > MAX_BYTES:
            raise ValueError(f"those of one epoch take {len(content)} bytes")
        with replacing(self._path) as partial:
            partial.write_bytes(content)

    def _chosen(self) -> list[int]:
        if self._indices is None:
            dataset = self._runner.val_loop.dataloader.dataset
            self._indices = choose_images(dataset, self._count)
        return self._indices

    def _look(self, model: Distiller, index: int) -> tuple[RecordedImage, AreaMaps]:
        progress()
        image = load_image(self._runner.val_loop.dataloader.dataset, index, model)
        if index not in self._teacher:
            made = teacher_batch(model, image.inputs, image.instances, image.meta)
            self._teacher[index] = made
        maps = area_maps(model, image.inputs, self._teacher[index])
        return recorded_image(image, maps), maps


def recorded_image(image: FixedImage, maps: AreaMaps) -> RecordedImage:
    """Return what a record holds of an image beside its areas."""
    height, width = image.meta["img_shape"][:2]
    boxes = image.instances.bboxes.cpu().numpy().reshape(-1, 4)
    largest = np.argsort(-np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), kind="stable")[:BOXES]
    return RecordedImage(
        image.index,
        str(image.meta.get("img_path", "")),
        (int(height), int(width)),
        tuple(tuple(row) for row in boxes[np.sort(largest)].round(1).tolist()),
        tuple((level.shape[0], level.shape[1]) for level in maps.levels),
        maps.strides,
        str(image.meta.get("img_id", image.index)),
    )
