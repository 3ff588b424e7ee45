"""Build single parts of a config as mmengine's Runner does, to find out whether they can be built.

`failed_part` says which part of a config an error came from; `misspellings` has what can be said
of names that do not exist.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any

import torch
from mmengine.evaluator import Evaluator
from mmengine.optim import build_optim_wrapper
from mmengine.registry import Registry
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.data import DataLoader

from tid_tune.errors import TidTuneError
from tid_tune.openmmlab.configs import ConfigDict
from tid_tune.openmmlab.detector_types import DetectionDataset, Sample
from tid_tune.openmmlab.misspellings import arguments, unknown_type
from tid_tune.openmmlab.registries import DATASETS, HOOKS
from tid_tune.openmmlab.setup import mmdet_ready

with mmdet_ready():
    from mmdet.registry import OPTIMIZERS, PARAM_SCHEDULERS


class StandIn(nn.Module):
    """Takes the place of a part that cannot be built, so that the others can be tried."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()

    def forward(self, first: object, *args: object, **kwargs: object) -> object:
        """Return the first argument."""
        return first


class _WithoutInitialValues(TorchFunctionMode):
    """Leaves tensors as they were allocated: nobody reads the weights of a model that is tried."""

    def __torch_function__(
        self, func: Any, types: object, args: Any = (), kwargs: Any = None
    ) -> object:
        named = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return named["tensor"] if "tensor" in named else args[0]
        return func(*args, **named)


@contextlib.contextmanager
def without_initial_values() -> Iterator[None]:
    """Build modules inside the block without filling their weights, which takes seconds."""
    with _WithoutInitialValues():
        yield


def build_loader(config: Mapping[str, object]) -> DataLoader[Any]:
    """Build a data loader with its dataset; no worker starts before it is iterated."""
    loader: DataLoader[Any] = Runner.build_dataloader(ConfigDict(config), seed=0)
    return loader


def build_dataset(config: Mapping[str, object]) -> DetectionDataset:
    """Build a dataset; with `lazy_init` it reads no files."""
    dataset: DetectionDataset = DATASETS.build(ConfigDict(config))
    return dataset


def build_evaluator(config: object) -> Evaluator:
    """Build the metrics of an evaluator's config."""
    return Evaluator(config)


def evaluate_nothing(
    evaluator: Evaluator, dataset: DetectionDataset, batch: object, samples: Sequence[Sample]
) -> None:
    """Let the metrics take in samples of a dataset on which nothing was detected."""
    evaluator.dataset_meta = dataset.metainfo
    for sample in samples:
        sample.pred_instances = InstanceData(
            bboxes=torch.zeros(0, 4), scores=torch.zeros(0), labels=torch.zeros(0).long()
        )
    evaluator.process(data_samples=samples, data_batch=batch)


def build_optimizer(model: nn.Module, config: Mapping[str, Any]) -> Any:
    """Build an optimizer wrapper."""
    kind = (config.get("optimizer") or {}).get("type")
    if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:  # mmengine would call None
        raise KeyError(f"optimizer.type {kind} is not in the optimizer registry")
    return build_optim_wrapper(model, ConfigDict(config))


def build_scheduler(config: Mapping[str, object], optimizer: Any, length: int) -> None:
    """Build a parameter scheduler for an epoch of `length` iterations."""
    defaults = {"optimizer": optimizer, "epoch_length": length}
    PARAM_SCHEDULERS.build(ConfigDict(config), default_args=defaults)


def build_hook(config: Mapping[str, object]) -> None:
    """Build a hook; its priority is the Runner's to read."""
    HOOKS.build(ConfigDict({key: value for key, value in config.items() if key != "priority"}))


def check_call(config: Mapping[str, object], registry: Registry) -> None:
    """Check that the class of a part exists and takes its arguments; nothing is built.

    Raises:
        KeyError: there is no such class.
        TypeError: it does not take an argument.
    """
    kind = config.get("type")
    found = registry.get(kind) if isinstance(kind, str) else kind
    if found is None:
        raise KeyError(f"{kind} is not in the {registry.name} registry")
    # A Runner adds arguments of its own to a loop's.
    known = None if registry.name == "loop" else arguments(found)
    for name in config:
        if name not in ("type", "priority", "_scope_") and known is not None and name not in known:
            raise TypeError(f"got an unexpected keyword argument '{name}'")


def failed_part(error: BaseException, part: object, where: list[str]) -> list[str]:
    """Return the keys that lead to the dict of the config that could not be built or used.

    Args:
        error: raised by a registry's `build`, or by a transform of a pipeline.
        part: the part of the config that was being built.
        where: the keys that lead to `part`.
    """
    unknown = unknown_type(error)
    if unknown is not None:
        return next((keys for keys, one in _dicts(part, where) if one["type"] == unknown), where)
    frames = list(_frames(error.__traceback__))
    for frame in reversed(frames):
        if frame.f_code.co_name in ("build_from_cfg", "build_scheduler_from_cfg"):
            built = frame.f_locals.get("cfg")
            alike = [one for one in _dicts(part, where) if _is_part_of(one[1], built)]
            # Student and teacher have parts of the same type: the one with most of its values.
            alike.sort(key=lambda one: _equal_values(one[1], built), reverse=True)
            found = [keys for keys, _ in alike]
        elif frame.f_code.co_name == "transform" and "self" in frame.f_locals:
            kind = type(frame.f_locals["self"]).__name__
            found = [keys for keys, node in _dicts(part, where) if _named(node) == kind]
        else:
            continue
        if found:
            return found[0]
    return where


def described(error: BaseException) -> str:
    """Return what an error of a library says, in one line."""
    if isinstance(error, TidTuneError):
        return str(error)
    # An assertion often has no text but its own line.
    steps = traceback.extract_tb(error.__traceback__)
    text = " ".join(str(error).split()) or (steps[-1].line if steps else "") or "no reason given"
    text = text[:300]
    text = text.strip("'\"") if isinstance(error, KeyError) else text
    return f"{type(error).__name__}: {text}"


def is_about_meta(error: BaseException) -> bool:
    """Return whether an operation only lacks a form without data: nothing is wrong with it."""
    return isinstance(error, NotImplementedError) or "meta" in str(error).lower()


def _frames(trace: TracebackType | None) -> Iterator[FrameType]:
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def _dicts(node: object, where: list[str]) -> Iterator[tuple[list[str], Mapping[str, object]]]:
    """Yield all dicts with a `type`, with the keys that lead to them."""
    if isinstance(node, Mapping):
        if "type" in node:
            yield where, node
        for key, value in node.items():
            yield from _dicts(value, [*where, str(key)])
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from _dicts(value, [*where, str(index)])


def _is_part_of(node: Mapping[str, object], built: object) -> bool:
    """Return whether `built` is a dict of the config, perhaps with keys that its owner added."""
    if not isinstance(built, Mapping) or node.get("type") != built.get("type"):
        return False
    return all(key in built for key in node)


def _equal_values(node: Mapping[str, object], built: object) -> int:
    """Return how many values of `node` `built` has too."""
    other = built if isinstance(built, Mapping) else {}
    return sum(key in other and other[key] == value for key, value in node.items())


def _named(node: Mapping[str, object]) -> str:
    kind = node["type"]
    return kind.rpartition(".")[2] if isinstance(kind, str) else getattr(kind, "__name__", "")
