"""Build single parts of a config as mmengine's Runner does, to find out whether they can be built.

`failed_part` says which part of a config an error came from.
"""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any

import torch
from mmengine.evaluator import Evaluator
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.data import DataLoader

from tid_tune import dotted
from tid_tune.errors import TidTuneError, nearest
from tid_tune.openmmlab.config_imports import registered_names
from tid_tune.openmmlab.configs import ConfigDict
from tid_tune.openmmlab.detector_types import DetectionDataset, Sample
from tid_tune.openmmlab.registries import HOOKS
from tid_tune.openmmlab.setup import mmdet_ready

with mmdet_ready():
    from mmdet.registry import OPTIMIZERS, PARAM_SCHEDULERS

_UNKNOWN = re.compile(r"(?P<name>\S+) is not in the (?P<registry>.+?) registry")


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


def failed_part(error: BaseException, part: object, where: list[str]) -> str:
    """Return the dotted path of the config that could not be built or used.

    Args:
        error: raised by a registry's `build`, or by a transform of a pipeline.
        part: the part of the config that was being built.
        where: the keys that lead to `part`.
    """
    frames = list(_frames(error.__traceback__))
    for frame in reversed(frames):
        if frame.f_code.co_name in ("build_from_cfg", "build_scheduler_from_cfg"):
            built = frame.f_locals.get("cfg")
            found = [keys for keys, node in _dicts(part, where) if _is_part_of(node, built)]
        elif frame.f_code.co_name == "transform" and "self" in frame.f_locals:
            kind = type(frame.f_locals["self"]).__name__
            found = [keys for keys, node in _dicts(part, where) if _named(node) == kind]
        else:
            continue
        if found:
            return dotted.join(found[0])
    return dotted.join(where)


def described(error: BaseException) -> str:
    """Return what an error of a library says, in one line."""
    if isinstance(error, TidTuneError):
        return str(error)
    # An assertion often has no text but its own line.
    steps = traceback.extract_tb(error.__traceback__)
    text = " ".join(str(error).split()) or (steps[-1].line if steps else "") or "no reason given"
    text = text[:300]
    text = text.strip("'\"") if isinstance(error, KeyError) else text
    unknown = _UNKNOWN.search(text)
    if unknown is not None:
        close = nearest(unknown["name"].strip("'"), registered_names())
        hint = f"; did you mean {close!r}?" if close else "; is its module in custom_imports?"
        return f"{unknown['name']} is not in the registry {unknown['registry']}{hint}"
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


def _named(node: Mapping[str, object]) -> str:
    kind = node["type"]
    return kind.rpartition(".")[2] if isinstance(kind, str) else getattr(kind, "__name__", "")
