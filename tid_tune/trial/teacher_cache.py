"""Whether a trial uses the cache of its teacher's work, and the marks that it needs for that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from tid_tune import ranks
from tid_tune.detectors.heads import HeadAdapter
from tid_tune.distill.cache.content import CONTENT, preparation, sample_digest
from tid_tune.distill.cache.settings import CacheSettings
from tid_tune.distill.cache.views import Endless, Estimate, count_views
from tid_tune.distill.distiller import Distiller
from tid_tune.distill.model_config import student_config
from tid_tune.distill.sampled import LEAST, SHARE
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.configs import Config
from tid_tune.trial.data_order import Mark, seeded
from tid_tune.trial.report import TEACHER_CACHED
from tid_tune.trial.runner import TrialRunner

SAMPLE = 4
"""So many images of a training set are loaded, to know their size."""
POINT_BYTES, SPARSE_POINT_BYTES = 13, 8
"""Of the evidence at a point; more in a sparse entry."""
HEADER_BYTES = 1024
PAGE = 4096


def content_mark(
    runner: TrialRunner, dataset: Mapping[str, Any], loader: DataLoader[Any], epochs: int
) -> Mark | None:
    """Return what adds the digest of its content to each sample; None without a cache.

    If there is a cache that cannot help, one line of the trial's log says why; without digests the
    teacher is run at every step.
    """
    model: object = runner.detector
    if not isinstance(model, Distiller) or model.teacher_cache is None:
        return None
    try:
        estimate = estimate_entries(model, runner.cfg, dataset, loader, epochs)
        require_room(estimate, model.teacher_cache.settings)
    except (ConfigError, Endless) as error:
        runner.logger.warning("the teacher's cache is off: %s", error)
        return None
    runner.logger.info("the teacher's cache: %s at most", estimate.text())
    model.uses_cache = True
    return partial(marked, prepared_by=preparation(preprocessor_of(runner.cfg)))


def marked(item: Any, prepared_by: bytes) -> Any:
    """Return a dataset's item with the digest of its content in the sample's meta information."""
    item["data_samples"].set_metainfo({CONTENT: sample_digest(item, prepared_by)})
    return item


class CacheUse:
    """How much of its teacher's work a training takes from the cache, interval by interval."""

    def __init__(self, model: object) -> None:
        self._model = model
        self._before = self._counts()

    def begin(self) -> None:
        """Begin an interval."""
        self._before = self._counts()

    def metrics(self) -> dict[str, float]:
        """Return the share of the interval's images that were in the cache, over all ranks.

        Nothing where no image was looked for. All ranks must ask.
        """
        used = [now - before for now, before in zip(self._counts(), self._before, strict=True)]
        recalled, computed = map(sum, zip(*ranks.gathered(used), strict=True))
        images = recalled + computed
        return {TEACHER_CACHED: recalled / images} if images else {}

    def _counts(self) -> tuple[int, int]:
        cache = self._model.teacher_cache if isinstance(self._model, Distiller) else None
        return (0, 0) if cache is None else (cache.recalled, cache.computed)


def estimate_entries(
    model: Distiller,
    config: Config,
    dataset: Mapping[str, Any],
    loader: DataLoader[Any],
    epochs: int,
) -> Estimate:
    """Return how much the teacher's work on a training set takes.

    Args:
        model: has a teacher with a cache.
        config: of the whole training.
        dataset: the config of the training set.
        loader: of the training set.
        epochs: length of the training: where batches are padded to their largest image, an image
            may have another padding in each.

    Raises:
        Endless: there is no end of different images, with the reason.
    """
    preprocessor = preprocessor_of(config)
    views = dataset_views(dataset)
    require_known_preparation(preprocessor)
    images: Any = loader.dataset
    shapes = sorted(_padded_shapes(images, preprocessor))
    several = len(shapes) > 1 and loader.batch_sampler is not None and _batch_size(loader) > 1
    largest = max(height for height, _ in shapes), max(width for _, width in shapes)
    cache, head = model.teacher_cache, model.teacher_head
    assert cache is not None
    assert head is not None
    entry = entry_bytes(head, largest, cache.settings)
    return Estimate(len(images), epochs if several else views, entry, several)


def require_room(estimate: Estimate, settings: CacheSettings) -> None:
    """Check that the entries fit.

    Raises:
        ConfigError: they do not, with both sizes.
    """
    if estimate.bytes > settings.bytes:
        raise ConfigError(
            f"{estimate.text()} do not fit in cache.gib = {settings.gib:g}; raise it, or use "
            "packs of students (resources.students)"
        )


def dataset_views(dataset: object) -> int:
    """Return the largest number of views of an image in a dataset's config.

    Raises:
        Endless: there is no such number.
    """
    return max((count_views(pipeline) for pipeline in pipelines(dataset)), default=1)


def require_known_preparation(preprocessor: Mapping[str, Any]) -> None:
    """Check that a data preprocessor makes the same of the same image.

    Raises:
        Endless: it may not.
    """
    kind = str(preprocessor.get("type", "")).rpartition(".")[2]
    if kind != "DetDataPreprocessor":
        raise Endless(f"the data preprocessor {kind} may change images at random")
    for step in preprocessor.get("batch_augments") or ():
        name = str(step.get("type", "")).rpartition(".")[2]
        if name != "BatchFixedSizePad":
            raise Endless(f"{name} of the data preprocessor makes another image each time")


def entry_bytes(head: HeadAdapter, size: tuple[int, int], settings: CacheSettings) -> int:
    """Return what the teacher's work on an image of (height, width) pixels takes on the disk."""
    points = sum(-(-size[0] // stride) * -(-size[1] // stride) for stride in head.strides)
    each = head.in_channels * np.dtype(settings.precision).itemsize + POINT_BYTES
    if settings.store == "sparse":  # at least: how many points are exact is the teacher's matter
        statistics = 2 * len(head.strides) * head.in_channels * 4
        kept = max(points * SHARE, LEAST * len(head.strides))
        values = 2 * kept * (each + SPARSE_POINT_BYTES) + statistics
    else:
        values = points * each
    return -(-int(values + HEADER_BYTES) // PAGE) * PAGE


def pipelines(dataset: object) -> Iterator[list[Any]]:
    """Yield the pipelines of a dataset's config, and of all datasets inside."""
    if isinstance(dataset, list | tuple):
        for item in dataset:
            yield from pipelines(item)
    elif isinstance(dataset, Mapping):
        if dataset.get("pipeline"):
            yield dataset["pipeline"]
        yield from pipelines([dataset[key] for key in ("dataset", "datasets") if key in dataset])


def _padded_shapes(dataset: Any, preprocessor: Mapping[str, Any]) -> set[tuple[int, int]]:
    """Return the padded sizes of some images; random generators keep their state."""
    fixed = [step["size"] for step in preprocessor.get("batch_augments") or () if "size" in step]
    if fixed:
        return {(int(fixed[-1][0]), int(fixed[-1][1]))}
    divisor = int(preprocessor.get("pad_size_divisor", 1))
    places = np.linspace(0, len(dataset) - 1, min(SAMPLE, len(dataset)))
    with seeded(0):
        shapes = [dataset[int(place)]["inputs"].shape[1:] for place in places]
    return {(-(-h // divisor) * divisor, -(-w // divisor) * divisor) for h, w in shapes}


def preprocessor_of(config: Config) -> Mapping[str, Any]:
    """Return the config of the data preprocessor of a training."""
    own = student_config(config.model).get("data_preprocessor")
    return own or config.model.get("data_preprocessor") or config.get("data_preprocessor") or {}


def _batch_size(loader: DataLoader[Any]) -> int:
    return int(getattr(loader.batch_sampler, "batch_size", 2))
