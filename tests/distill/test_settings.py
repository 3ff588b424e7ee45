from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tid_tune.distill.methods.none import NoneSettings
from tid_tune.distill.methods.tid import TIDSettings
from tid_tune.distill.registry import option_for, owners, parse_settings
from tid_tune.errors import ConfigError


def test_the_defaults_are_the_documented_ones() -> None:
    settings = parse_settings({"method": "tid"})
    assert settings.values() == {
        "method": "tid",
        "loss_weight": 3.0,
        "warmup_iters": 0,
        "stop_epoch": None,
        "stop_iter": None,
        "key_weight": 1.0,
        "weak_weight": 1.0,
        "rest_weight": 1.0,
        "select": "threshold",
        "key_threshold": 3.0,
        "weak_threshold": 1.0,
        "quantile": 0.1,
        "areas": "both",
        "precedence": "weak",
        "tasks": "both",
        "thresholds": "detector",
        "pos_iou": 0.5,
        "neg_iou": 0.4,
        "cls_pos": 0.5,
        "cls_neg": 0.1,
        "cls_rule": "probability",
        "score_high": 2.0,
        "score_middle": 1.5,
        "score_low": 0.4,
        "normalize": "channel",
        "adapt": "auto",
    }


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("loss_weight", -0.1, "a number >= 0"),
        ("loss_weight", float("nan"), "a number >= 0"),
        ("loss_weight", float("inf"), "a number >= 0"),
        ("loss_weight", 10**400, "a number >= 0"),
        ("loss_weight", True, "a number >= 0"),
        ("loss_weight", "1", "a number >= 0"),
        ("loss_weight", None, "a number >= 0"),
        ("quantile", 0, "a number in (0, 1]"),
        ("quantile", 1.01, "a number in (0, 1]"),
        ("weak_threshold", 0.0, "a number > 0"),
        ("warmup_iters", 1.5, "an integer >= 0"),
        ("stop_epoch", -1, "an integer >= 0, or null"),
        ("select", "top", "one of threshold, quantile"),
        ("method", "ttid", "one of crosskd, defeat"),
        ("method", ["tid"], "one of crosskd, defeat"),
        ("warmup_iters", 10**400, "an integer >= 0"),
    ],
)
def test_a_value_out_of_range_is_refused_with_key_value_and_range(
    key: str, value: Any, allowed: str
) -> None:
    with pytest.raises(ConfigError) as error:
        parse_settings({key: value})
    assert f"distillation.{key} is {value!r}" in str(error.value)
    assert allowed in str(error.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"pos_iou": 0.3}, "neg_iou <= distillation.pos_iou must hold; received 0.4, 0.3"),
        ({"cls_neg": 0.6}, "cls_neg <= distillation.cls_pos must hold; received 0.6, 0.5"),
        ({"score_low": 1.6}, "score_high must hold; received 1.6, 1.5, 2"),
    ],
)
def test_values_that_contradict_each_other_are_refused(values: Any, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_settings(values)
    assert words in str(error.value)


def test_an_unknown_key_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"key_weigth is an option of no method.*key_weight"):
        parse_settings({"method": "tid", "key_weigth": 1.0})
    with pytest.raises(ConfigError, match=r"key_weigth.*key_weight"):
        option_for("key_weigth")


def test_a_key_of_another_method_is_ignored() -> None:
    settings = parse_settings({"method": "none", "key_threshold": 2.5, "loss_weight": 2})
    assert isinstance(settings, NoneSettings)
    assert settings.loss_weight == 2.0
    assert owners("key_threshold") == ["tid"]
    with pytest.raises(ConfigError, match="no option of none"):
        option_for("key_threshold", "none")


def test_numbers_take_the_type_of_their_option() -> None:
    settings = parse_settings({"loss_weight": 3, "warmup_iters": 100.0, "stop_epoch": None})
    assert (settings.loss_weight, type(settings.loss_weight)) == (3.0, float)
    assert (settings.warmup_iters, type(settings.warmup_iters)) == (100, int)


def test_warm_up_is_linear_and_distillation_ends_where_asked() -> None:
    settings = TIDSettings(warmup_iters=4, stop_epoch=2, stop_iter=10)
    assert [settings.ramp(step) for step in (0, 1, 3, 4, 5)] == [0.0, 0.25, 0.75, 1.0, 1.0]
    assert settings.active(9, 1)
    assert not settings.active(10, 1)
    assert not settings.active(9, 2)
    assert TIDSettings().ramp(0) == 1.0


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(TIDSettings.options())), VALUES, max_size=3))
def test_parsing_gives_allowed_settings_or_a_config_error(values: dict[str, Any]) -> None:
    try:
        parsed = parse_settings(values)
    except ConfigError:
        return
    assert parse_settings(parsed.values()) == parsed
