"""The constants of the rivals, and `method` as something to search."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from support.rival_cases import RIVALS
from support.tiny_detectors import HEADS, detector

from tid_tune.distill.distiller import Distiller
from tid_tune.distill.registry import METHOD_CLASSES
from tid_tune.distill.settings import METHODS, NoneSettings, parse_settings
from tid_tune.errors import ConfigError

MIXED = {
    "loss_weight": 2.0,
    "key_threshold": 2.5,
    "fg_weight": 3.0,
    "global_weight": 0.1,
    "level_scale": 4.0,
    "vlr_weight": 0.5,
    "temperature": 5.0,
    "stage": 1,
    "class_weight": 0.7,
    "normalize": "channel",
}
"""Keys of several methods, as a search over `method` gives them."""


def test_every_method_has_settings_and_a_class() -> None:
    assert {*RIVALS, "tid", "none"} == set(METHODS)
    assert set(METHOD_CLASSES) == {*METHODS.values()} - {NoneSettings}


@pytest.mark.parametrize(
    ("method", "kind"),
    [(m, kind) for m in METHODS for kind in HEADS if m != "ld" or kind == "gfl"],
)
def test_the_method_can_be_searched(method: str, kind: str) -> None:
    model = Distiller(
        student=detector(kind),
        teacher={"model": detector(kind), "checkpoint": None},
        distillation={"method": method, **MIXED},
    )
    settings = model.method.settings
    assert settings.method == method
    own = {key: value for key, value in MIXED.items() if key in METHODS[method].options()}
    assert {key: getattr(settings, key) for key in own} == own


def test_an_option_of_two_methods_means_the_same_in_both() -> None:
    seen: dict[str, Any] = {}
    for settings in METHODS.values():
        for key, option in settings.options().items():
            alike = dataclasses.replace(option, default=None)
            assert seen.setdefault(key, alike) == alike, (settings.method, key)


@pytest.mark.parametrize(
    ("method", "key", "value", "allowed"),
    [
        ("mimic", "normalize", "batch", "one of channel, none"),
        ("defeat", "fg_weight", -1.0, "a number >= 0"),
        ("defeat", "level_scale", 0.0, "a number > 0"),
        ("fgd", "attention_temperature", 0.0, "a number > 0"),
        ("fgd", "global_weight", -0.1, "a number >= 0"),
        ("pkd", "loss_weight", float("inf"), "a number >= 0"),
        ("frs", "class_weight", None, "a number >= 0"),
        ("ld", "temperature", 0, "a number > 0"),
        ("ld", "vlr_low", 1.1, "a number in [0, 1]"),
        ("crosskd", "stage", 0, "an integer >= 1"),
        ("crosskd", "beta", 0.5, "a number >= 1"),
        ("crosskd", "foreground_score", 0.0, "a number in (0, 1]"),
        ("crosskd", "foreground_score", 1.5, "a number in (0, 1]"),
    ],
)
def test_a_value_out_of_range_is_refused(method: str, key: str, value: Any, allowed: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_settings({"method": method, key: value})
    assert f"distillation.{key} is {value!r}" in str(error.value)
    assert allowed in str(error.value)
