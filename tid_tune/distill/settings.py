"""The constants of every distillation method, torch-free so that a spec is checked in milliseconds.

A new method adds its `Settings` subclass to `METHODS` here and its module to
`tid_tune.distill.registry`; nothing else has to know it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tid_tune.distill.options import (
    Option,
    Settings,
    choice,
    nearest,
    number,
    require_order,
)
from tid_tune.distill.rival_settings import RIVALS
from tid_tune.errors import ConfigError

__all__ = [
    "METHODS",
    "NoneSettings",
    "Option",
    "Settings",
    "TIDSettings",
    "option_for",
    "owners",
    "parse_settings",
]


@dataclass(frozen=True)
class NoneSettings(Settings):
    """No distillation: the student is trained alone, no teacher is built."""

    method = "none"


@dataclass(frozen=True)
class TIDSettings(Settings):
    """Task Integration Distillation (arXiv 2404.01699), in this project's reading."""

    method = "tid"

    loss_weight: float = number(3.0, "Weight of the whole distillation loss; 0 switches it off.")
    key_weight: float = number(1.0, "Weight of the key area: the teacher is sure of both tasks.")
    weak_weight: float = number(
        1.0, "Weight of the weak area: the student is behind the teacher here."
    )
    rest_weight: float = number(1.0, "Weight of all other points.")

    select: str = choice(
        "threshold",
        "How areas are taken from the scores: by a threshold, or as the top `quantile` of the "
        "points of each image and level.",
        "threshold",
        "quantile",
    )
    key_threshold: float = number(3.0, "A point is key if the teacher's importance reaches this.")
    weak_threshold: float = number(
        1.0, "A point is weak if the teacher's importance is ahead by this much.", above=True
    )
    quantile: float = number(
        0.1, "Fraction of the points of an image and level an area may have.", high=1.0, above=True
    )
    areas: str = choice(
        "both",
        "Areas in use; `none` is plain feature mimicking with `rest_weight`.",
        "both",
        "key",
        "weak",
        "none",
    )
    precedence: str = choice(
        "weak", "The area that a point belongs to when it is key and weak.", "weak", "key"
    )

    tasks: str = choice(
        "both",
        "Sub-tasks that make up a point's importance; the missing score is 1.",
        "both",
        "classification",
        "regression",
    )
    thresholds: str = choice(
        "detector",
        "IoU thresholds of the localization score: the detector's own rule for positive and "
        "negative samples, or the fixed `pos_iou` and `neg_iou`.",
        "detector",
        "fixed",
    )
    pos_iou: float = number(0.5, "Fixed IoU from which a box scores high.", high=1.0)
    neg_iou: float = number(0.4, "Fixed IoU up to which a box scores low.", high=1.0)
    cls_pos: float = number(0.5, "Probability from which a class scores high.", high=1.0)
    cls_neg: float = number(0.1, "Probability up to which a class scores low.", high=1.0)
    score_high: float = number(2.0, "Score of a positive point, for each task.")
    score_middle: float = number(1.5, "Score of a point between positive and negative.")
    score_low: float = number(0.4, "Score of a negative point, or of one that overlaps no object.")

    normalize: str = choice(
        "channel",
        "Features compared at zero mean and unit variance per channel, or as they are.",
        "channel",
        "none",
    )
    adapt: str = choice(
        "auto",
        "1x1 convolution from student to teacher channels: only where they differ, or always.",
        "auto",
        "conv",
    )

    def check(self) -> None:
        """Raise ConfigError where lower bounds exceed upper ones."""
        require_order(self, "neg_iou", "pos_iou")
        require_order(self, "cls_neg", "cls_pos")
        require_order(self, "score_low", "score_middle", "score_high")

    @property
    def highest_importance(self) -> float:
        """The largest importance a point can have; a higher `key_threshold` selects nothing."""
        return self.score_high**2 if self.tasks == "both" else self.score_high

    @property
    def lowest_importance(self) -> float:
        """The importance of a point that overlaps no object."""
        return self.score_low**2 if self.tasks == "both" else self.score_low


_ALL: tuple[type[Settings], ...] = (NoneSettings, TIDSettings, *RIVALS)

METHODS: dict[str, type[Settings]] = {settings.method: settings for settings in _ALL}
"""Settings of every method, by the name used as `model.distillation.method`."""


def owners(key: str) -> list[str]:
    """Names of the methods that have the option `key`.

    Raises:
        ConfigError: no method has it; the message names the nearest key.
    """
    found = [name for name, settings in METHODS.items() if key in settings.options()]
    if not found:
        known = {known for settings in METHODS.values() for known in settings.options()}
        hint = nearest(key, sorted(known | {"method"}))
        raise ConfigError(f"distillation.{key} is an option of no method{hint}")
    return found


def option_for(key: str, method: str | None = None) -> Option:
    """The option behind `model.distillation.<key>`; `method` itself is an option.

    Args:
        key: one key, without dots.
        method: the method whose option is asked for; None takes the first method that has it.

    Raises:
        ConfigError: no method has the key, or `method` has not.
    """
    if key == "method":
        return Option("choice", "tid", "The distillation method.", choices=tuple(METHODS))
    found = owners(key)
    if method is not None and method not in found:
        raise ConfigError(f"distillation.{key} is no option of {method}, only of {found}")
    return METHODS[method or found[0]].options()[key]


def parse_settings(mapping: Mapping[str, Any]) -> Settings:
    """The settings of `mapping["method"]` (default `tid`), every value checked.

    A key that belongs only to another method is ignored, so that `method` can be searched.

    Raises:
        ConfigError: an unknown method or key (naming the nearest), or a bad value.
    """
    values = dict(mapping)
    name = option_for("method").check("method", values.pop("method", "tid"))
    for key in values:
        owners(key)
    return METHODS[name].parse(values)
