"""What a search is about: its detector, its teacher, its data, as its config names them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tid_tune.distill.model_config import is_distiller, student_config
from tid_tune.distill.registry import DEFAULT, methods_without_teacher, option_for
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.configs import Config, get_value, load_config
from tid_tune.passwords import without_secrets
from tid_tune.searchfile.checks.data import LOADERS, annotation_files, annotations_digest
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space.space import METHOD_PATH

_DISTILLATION = "model.distillation."
DIGITS = 16
"""Of the digest of an annotation file."""


@dataclass(frozen=True)
class Annotations:
    """An annotation file of the training or validation data."""

    part: str
    """`training` or `validation`."""
    place: str
    """As the config names it; references to environment variables are not replaced."""

    @property
    def name(self) -> str:
        """The name of the file, without its ending."""
        return Path(self.place).stem

    @property
    def digest(self) -> str:
        """The digest of the file; empty where it cannot be read."""
        return annotations_digest(self.place, DIGITS)


@dataclass(frozen=True)
class Subject:
    """What a search is about. Of a trainable that reads no mmdet config, nothing is known."""

    params: Mapping[str, str] = field(default_factory=dict)
    """Detector, teacher and data, in words."""
    data: tuple[Annotations, ...] = ()
    config: Config | None = None
    paths: tuple[str, ...] = ()
    """Those of the search space."""

    def own_values(self, method: str | None) -> dict[str, object]:
        """Return the method of a trial, and what it has where the search space sets nothing.

        That is the config's value, or the default of the method. A trial without distillation has
        those of the config's method, although nothing uses them: MLflow can compare it then.

        Args:
            method: of the trial; None: that of the config.
        """
        if not self._distills:
            return {path: value for path in self.paths if (value := self._value(path)) is not None}
        own = self._value(METHOD_PATH) or DEFAULT
        used = own if method is None or method in methods_without_teacher() else method
        known = ((path, self._own_value(path, used)) for path in self.paths)
        values = {path: value for path, value in known if value is not None}
        return {METHOD_PATH: method or own, **values}

    @property
    def _distills(self) -> bool:
        model = None if self.config is None else self.config.get("model")
        return isinstance(model, Mapping) and is_distiller(model)

    def common_paths(self, spec: SearchSpec) -> set[str]:
        """Return the paths of the search space for which each trial has a value, of its method."""
        if len(spec.method) < 2:
            return set(self.paths)
        return set.intersection(*(set(self.own_values(method)) for method in spec.method))

    def _own_value(self, path: str, method: str | None) -> object:
        if not path.startswith(_DISTILLATION):
            return self._value(path)
        try:
            option = option_for(path.removeprefix(_DISTILLATION), method)
        except ConfigError:  # the method does not have it
            return None
        set_there = self._value(path)
        return option.default if set_there is None else set_there

    def _value(self, path: str) -> Any:
        try:
            return None if self.config is None else get_value(self.config, path)
        except ConfigError:
            return None


NOTHING = Subject()


def subject_of(spec: SearchSpec) -> Subject:
    """Return what the config of a search names; nothing where it cannot be read."""
    try:
        config = load_config(spec.trial, spec.fixed, imports=False, resolve=False)
    except ConfigError:  # it is reported where the config is needed
        return Subject()
    return Subject(dict(_words(config)), tuple(_annotations(config)), config, tuple(spec.space))


def _words(config: Config) -> Iterator[tuple[str, str]]:
    model = config.get("model")
    if isinstance(model, Mapping):
        student = student_config(model)
        if isinstance(student, Mapping):
            yield "detector", _detector(student)
        teacher = model.get("teacher") if is_distiller(model) else None
        if isinstance(teacher, Mapping):
            yield "teacher", without_secrets(str(teacher.get("config")))
            yield "teacher.checkpoint", without_secrets(str(teacher.get("checkpoint")))
    for part, files in _by_part(config).items():
        yield f"data.{part}", ", ".join(files)


def _detector(model: Mapping[str, object]) -> str:
    """Return `GFL, ResNet 18`."""
    backbone = model.get("backbone")
    name = str(model.get("type"))
    if not isinstance(backbone, Mapping):
        return name
    depth = backbone.get("depth")
    return f"{name}, {backbone.get('type')}{'' if depth is None else f' {depth}'}"


def _by_part(config: Config) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in _annotations(config):
        found.setdefault(one.part, []).append(one.place)
    return found


def _annotations(config: Config) -> Iterator[Annotations]:
    for loader, path in annotation_files(config):
        yield Annotations(LOADERS[loader], without_secrets(str(path)))
