"""Builds and tries the parts of one config, each as a trial does, and notes what fails."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from tid_tune.distill.distiller import Distiller, named_as_student
from tid_tune.distill.model_config import is_distiller, student_config
from tid_tune.errors import ConfigError
from tid_tune.openmmlab import building
from tid_tune.openmmlab.configs import Config, load_config
from tid_tune.openmmlab.detector_types import Prepared
from tid_tune.openmmlab.models import build_model
from tid_tune.preflight.findings import Finding, error
from tid_tune.trial.assembly import fast_metrics, runnable
from tid_tune.trial.data_order import finite_sampler
from tid_tune.trial.hooks import AnyHook, hooks_of, refuse_harmful

Built = TypeVar("Built")
Preprocessor = Callable[[object, bool], Prepared]
LOADERS = ("train_dataloader", "val_dataloader")


class Parts:
    """The parts of a config, tried one by one; `findings` are the errors.

    Args:
        config: is changed: what is large in it is replaced by something small.
        label: what a message begins with, such as a value of the space.
        gpus: whether trials have GPUs, which this machine may lack.
    """

    def __init__(self, config: Config, label: str = "", *, gpus: bool = False) -> None:
        self.config = config
        self.label = label
        self.findings: list[Finding] = []
        self.model: nn.Module | None = None
        self.preprocessor: Preprocessor | None = None
        self.images: Tensor | None = None
        """A batch of one prepared training image."""
        self._gpus = gpus
        self._length = 1
        self._batches: dict[str, Any] = {}

    def share(self, others: Parts) -> None:
        """Take over the built model of another config and the image prepared for it."""
        self.model, self.preprocessor = others.model, others.preprocessor
        self.images = others.images

    def attempt(self, keys: list[str], part: object, build: Callable[[], Built]) -> Built | None:
        """Return what `build` makes of the part at `keys`; None with a finding if it fails."""
        try:
            return build()
        except Exception as failure:  # whatever the libraries or the user's classes raise
            where = building.failed_part(failure, part, keys)
            text = f"{self.label}`{where}` cannot be used: {building.described(failure)}"
            self.findings.append(error(f"{text}; fix it in the config"))
            return None

    def try_part(self, name: str) -> None:
        """Try the top-level part `name`, if it is one that can be tried alone."""
        if name in LOADERS:
            self.try_images(name)
        elif name in ("model", "data_preprocessor"):
            self.build_model()
        elif name == "val_evaluator":
            self.try_evaluator()
        elif name in ("optim_wrapper", "param_scheduler"):
            self.try_optimizer()
        elif name in ("custom_hooks", "default_hooks"):
            self.try_hooks()

    def build_model(self) -> None:
        """Build the model without initial weights, its teacher without a checkpoint."""
        part = self.config["model"]
        self.model = self.attempt(["model"], part, self._built_model)
        if self.model is not None:  # a copy, which keeps its numbers when the model loses them
            self.preprocessor = copy.deepcopy(self.model.data_preprocessor)  # type: ignore[assignment]  # of an nn.Module, which mmdet gives it

    def _built_model(self) -> nn.Module:
        model = dict(self.config["model"])
        teacher = model.get("teacher")
        if is_distiller(model) and isinstance(teacher, Mapping):
            inner = teacher.get("model")
            if isinstance(teacher.get("config"), str):
                inner = load_config(teacher["config"]).get("model")
            model["teacher"] = {"model": student_config(inner or {}), "checkpoint": None}
            if "precision" in teacher:
                model["teacher"]["precision"] = teacher["precision"]
        preprocessor = self.config.get("data_preprocessor")
        defaults = {} if preprocessor is None else {"data_preprocessor": preprocessor}
        with building.without_initial_values():
            return build_model(model, **defaults)

    def try_images(self, name: str) -> None:
        """Build a data loader, pass one image through its pipeline, and prepare it as a batch."""
        part = self.config[name]
        loader = self.attempt([name], part, lambda: building.build_loader(self._loader(name)))
        if loader is None:
            return
        if name == "train_dataloader":
            self._length = max(len(loader), 1)
        batch = self.attempt([name], part, lambda: loader.collate_fn([loader.dataset[0]]))
        preprocessor = self.preprocessor
        if batch is None or preprocessor is None:
            return
        training = name == "train_dataloader"
        keys = ["model", "data_preprocessor"]
        prepared = self.attempt(keys, None, lambda: preprocessor(batch, training))
        self._batches[name] = (loader.dataset, batch, prepared)
        if training and prepared is not None and isinstance(prepared["inputs"], Tensor):
            self.images = prepared["inputs"]

    def _loader(self, name: str) -> dict[str, object]:
        loader = runnable(self.config[name])
        loader = finite_sampler(loader) if name == "train_dataloader" else loader
        return {**loader, "num_workers": 0, "persistent_workers": False, "prefetch_factor": None}

    def try_evaluator(self) -> None:
        """Build the metrics, and let them take in the validation image without detections."""
        part = self.config["val_evaluator"]
        keys = ["val_evaluator"]
        found = self.attempt(
            keys, part, lambda: building.build_evaluator(fast_metrics(self.config["val_evaluator"]))
        )
        dataset, batch, prepared = self._batches.get("val_dataloader", (None, None, None))
        if found is None or prepared is None or not prepared["data_samples"]:
            return
        samples = prepared["data_samples"]
        self.attempt(keys, part, lambda: building.evaluate_nothing(found, dataset, batch, samples))

    def try_optimizer(self) -> None:
        """Build the optimizer and its schedules."""
        if self.model is None:
            return
        model, part = self.model, dict(self.config["optim_wrapper"])
        model = named_as_student(model) if "constructor" in part else model
        mixed = str(part.get("type", "")).endswith("AmpOptimWrapper")
        if mixed and self._gpus and not torch.cuda.is_available():
            part = {"type": "OptimWrapper", **_without(part, "type", "loss_scale", "dtype")}
        optimizer = self.attempt(
            ["optim_wrapper"], part, lambda: building.build_optimizer(model, part)
        )
        schedulers = self.config.get("param_scheduler") or []
        if optimizer is None or (isinstance(schedulers, Mapping) and "type" not in schedulers):
            return  # one list per optimizer: too rare to try
        single = isinstance(schedulers, Mapping)
        for index, scheduler in enumerate([schedulers] if single else schedulers):
            keys = ["param_scheduler", *([] if single else [str(index)])]
            build = partial(building.build_scheduler, scheduler, optimizer, self._length)
            self.attempt(keys, scheduler, build)

    def try_hooks(self) -> None:
        """Build the hooks that a trial keeps."""
        for keys, hook in hooks_of(self.config):
            self.attempt(keys, hook, partial(self._try_hook, hook))

    def _try_hook(self, hook: AnyHook) -> None:
        refuse_harmful(self.config["model"], hook)
        if isinstance(hook, Mapping):
            building.build_hook(hook)

    def try_maps(self) -> None:
        """Pass an image's shape through the network: no numbers are computed."""
        model, images = self.model, self.images
        if model is None or images is None:
            return
        try:
            model.to("meta").eval()
            shaped = images.to("meta")
            with torch.no_grad():
                if isinstance(model, Distiller):
                    model.compare_maps(shaped)
                else:
                    model(shaped, mode="tensor")
        except ConfigError as failure:
            self.findings.append(error(f"{self.label}{failure}"))
        except Exception as failure:  # whatever the layers raise
            if not building.is_about_meta(failure):
                what = building.described(failure)
                text = f"{self.label}`model` cannot take an image of its data: {what}"
                self.findings.append(error(f"{text}; fix the channels or sizes of its parts"))


def _without(part: Mapping[str, object], *names: str) -> dict[str, object]:
    return {key: value for key, value in part.items() if key not in names}
