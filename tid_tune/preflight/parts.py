"""Builds and tries the parts of one config, each as a trial does, and notes what fails."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
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
from tid_tune.openmmlab.registries import HOOKS, UNUSED
from tid_tune.preflight.findings import Finding, error
from tid_tune.preflight.repairs import Repairs
from tid_tune.searchfile.checks.data import placed_datasets
from tid_tune.trial.assembly import fast_metrics, runnable
from tid_tune.trial.data_order import finite_sampler
from tid_tune.trial.hooks import AnyHook, dropped_hooks, hooks_of, refuse_harmful

Built = TypeVar("Built")
Preprocessor = Callable[[object, bool], Prepared]
LOADERS = ("train_dataloader", "val_dataloader")


class Parts:
    """The parts of a config, tried one by one; `findings` are the errors.

    Args:
        config: is changed: what is large in it is replaced by something small.
        label: what a message begins with, such as a value of the space.
        gpus: whether trials have GPUs, which this machine may lack.
        unread: dataloaders whose files are faulty: the data are not read.
        without_teacher: whether something is known to be wrong with the teacher.
    """

    def __init__(
        self,
        config: Config,
        label: str = "",
        *,
        gpus: bool = False,
        unread: Collection[str] = (),
        without_teacher: bool = False,
    ) -> None:
        self.config = config
        self._unread, self._without_teacher = unread, without_teacher
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

    def attempt(self, keys: list[str], part: object, build: Callable[[Any], Built]) -> Built | None:
        """Return what `build` makes of the part at `keys`; None with findings if it fails.

        `build` is called again with a copy in which what failed is replaced, for further faults.
        """
        repairs = Repairs(part, keys, self.label)
        while True:
            try:
                built = build(copy.deepcopy(repairs.part))  # building changes configs
            except Exception as failure:  # whatever the libraries or the user's classes raise
                if repairs.repair(failure):
                    continue
                built = None
            self.findings += repairs.findings
            return None if repairs.findings else built

    def has_finding(self, part: str) -> bool:
        """Return whether an error was found in a top-level part of the config."""
        return any(f"{found.place}.".startswith(f"{part}.") for found in self.findings)

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
        part = self._model_alone()
        self.model = self.attempt(["model"], part, self._built_model)
        if self.model is not None:  # a copy, which keeps its numbers when the model loses them
            self.preprocessor = copy.deepcopy(self.model.data_preprocessor)  # type: ignore[assignment]  # of an nn.Module, which mmdet gives it

    def _model_alone(self) -> dict[str, object]:
        """Return the model's config without files; one whose teacher is faulty has none."""
        model = dict(self.config["model"])
        teacher = model.get("teacher")
        if not is_distiller(model):
            return model
        if self._without_teacher:
            return {**model, "teacher": None, "distillation": {"method": "none"}}
        if isinstance(teacher, Mapping):
            inner = teacher.get("model")
            if isinstance(teacher.get("config"), str):
                inner = load_config(teacher["config"]).get("model")
            model["teacher"] = {"model": student_config(inner or {}), "checkpoint": None}
            if "precision" in teacher:
                model["teacher"]["precision"] = teacher["precision"]
        return model

    def _built_model(self, model: Mapping[str, object]) -> nn.Module:
        preprocessor = self.config.get("data_preprocessor")
        defaults = {} if preprocessor is None else {"data_preprocessor": preprocessor}
        with building.without_initial_values():
            return build_model(model, **defaults)

    def try_images(self, name: str) -> None:
        """Build a data loader, pass one image through its pipeline, and prepare it as a batch."""
        part = self.config[name]
        loader = self.attempt([name], part, partial(self._built_loader, name))
        if loader is None or name in self._unread:
            return
        if name == "train_dataloader":
            self._length = max(len(loader), 1)
        batch = self._once([name], part, lambda: loader.collate_fn([loader.dataset[0]]))
        preprocessor = self.preprocessor
        if batch is None or preprocessor is None:
            return
        training = name == "train_dataloader"
        keys = ["model", "data_preprocessor"]
        prepared = self._once(keys, None, lambda: preprocessor(batch, training))
        self._batches[name] = (loader.dataset, batch, prepared)
        if training and prepared is not None and isinstance(prepared["inputs"], Tensor):
            self.images = prepared["inputs"]

    def _once(self, keys: list[str], part: object, use: Callable[[], Built]) -> Built | None:
        """Return what using a built part gives; None with one finding if that fails."""
        try:
            return use()
        except Exception as failure:  # whatever the libraries or the user's classes raise
            Repairs.repair(repairs := Repairs(part, keys, self.label), failure)
            self.findings += repairs.findings
            return None

    def _built_loader(self, name: str, part: Mapping[str, object]) -> Any:
        """Build a loader, or where its files are faulty, its datasets alone without reading."""
        if name in self._unread:
            return [
                building.build_dataset({**dataset, "lazy_init": True})
                for _, dataset in placed_datasets(part, name)
            ]
        loader = runnable(part)
        loader = finite_sampler(loader) if name == "train_dataloader" else loader
        alone = {"num_workers": 0, "persistent_workers": False, "prefetch_factor": None}
        return building.build_loader({**loader, **alone})

    def try_evaluator(self) -> None:
        """Build the metrics, and let them take in the validation image without detections."""
        part = self.config["val_evaluator"]
        keys = ["val_evaluator"]
        found = self.attempt(keys, part, lambda part: building.build_evaluator(fast_metrics(part)))
        dataset, batch, prepared = self._batches.get("val_dataloader", (None, None, None))
        if found is None or prepared is None or not prepared["data_samples"]:
            return
        samples = prepared["data_samples"]
        self._once(keys, part, lambda: building.evaluate_nothing(found, dataset, batch, samples))

    def try_optimizer(self) -> None:
        """Build the optimizer and its schedules."""
        part = dict(self.config.get("optim_wrapper") or {})
        if not part:
            return  # missing, which is reported
        if self.model is None and ("constructor" in part or "paramwise_cfg" in part):
            return  # they depend on the model's parameters
        model = self.model or nn.Linear(1, 1)
        model = named_as_student(model) if "constructor" in part else model
        mixed = str(part.get("type", "")).endswith("AmpOptimWrapper")
        if mixed and self._gpus and not torch.cuda.is_available():
            part = {"type": "OptimWrapper", **_without(part, "type", "loss_scale", "dtype")}
        optimizer = self.attempt(
            ["optim_wrapper"], part, lambda part: building.build_optimizer(model, part)
        )
        schedulers = self.config.get("param_scheduler") or []
        if isinstance(schedulers, Mapping) and "type" not in schedulers:
            return  # one list per optimizer: too rare to try
        if optimizer is None:
            optimizer = building.build_optimizer(model, {"optimizer": {"type": "SGD", "lr": 0.1}})
        single = isinstance(schedulers, Mapping)
        for index, scheduler in enumerate([schedulers] if single else schedulers):
            keys = ["param_scheduler", *([] if single else [str(index)])]
            build = partial(building.build_scheduler, optimizer=optimizer, length=self._length)
            self.attempt(keys, scheduler, build)

    def try_hooks(self) -> None:
        """Build the hooks that a trial keeps, and look at what else mmengine's Runner builds.

        Of that, only types and arguments are checked.
        """
        kept = hooks_of(self.config)
        for keys, hook in kept:
            self.attempt(keys, hook, self._try_hook)
        others = [(keys, hook, HOOKS) for keys, hook in dropped_hooks(self.config)]
        others += [([name], self.config.get(name), UNUSED[name]) for name in UNUSED]
        for keys, part, registry in others:
            if isinstance(part, Mapping) and "type" in part:
                self.attempt(keys, part, partial(building.check_call, registry=registry))

    def _try_hook(self, hook: AnyHook) -> None:
        refuse_harmful(self.config.get("model"), hook)
        if isinstance(hook, Mapping):
            building.build_hook(hook)

    def try_maps(self) -> None:
        """Pass an image's shape through the network: no numbers are computed."""
        model, images = self.model, self.images
        if model is None or images is None:
            return  # what keeps them from being there was reported
        try:
            model.to("meta").eval()
            shaped = images.to("meta")
            with torch.no_grad():
                if isinstance(model, Distiller):
                    model.compare_maps(shaped)
                else:
                    model(shaped, mode="tensor")
        except ConfigError as failure:
            self.findings.append(error(f"{self.label}{failure}", "model"))
        except Exception as failure:  # whatever the layers raise
            if not building.is_about_meta(failure):
                what = building.described(failure)
                text = f"{self.label}`model` cannot take an image of its data: {what}"
                text = f"{text}; fix the channels or sizes of its parts"
                self.findings.append(error(text, "model"))


def _without(part: Mapping[str, object], *names: str) -> dict[str, object]:
    return {key: value for key, value in part.items() if key not in names}
