"""The methods by name, and `method` as something to search."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import Field
from support.method_cases import supports

from tid_tune.distill.distiller import Distiller
from tid_tune.distill.method import Method
from tid_tune.distill.registry import (
    METHODS,
    build_method,
    option_for,
    owners,
    parse_settings,
    register_method,
)
from tid_tune.distill.settings import Settings
from tid_tune.errors import ConfigError, UsageError
from tid_tune.searchfile.schema import json_schema
from tid_tune.testing.detectors import HEADS, detector

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


@pytest.mark.parametrize(
    ("method", "kind"),
    [(m, kind) for m in METHODS.names() for kind in HEADS if supports(m, kind)],
)
def test_the_method_can_be_searched(method: str, kind: str) -> None:
    model = Distiller(
        student=detector(kind),
        teacher={"model": detector(kind), "checkpoint": None},
        distillation={"method": method, **MIXED},
    )
    settings = model.method.settings
    assert settings.method == method
    own = {key: value for key, value in MIXED.items() if key in METHODS.get(method).options()}
    assert {key: getattr(settings, key) for key in own} == own


def test_an_option_of_two_methods_means_the_same_in_both() -> None:
    seen: dict[str, Any] = {}
    for settings in METHODS.parts().values():
        for key, option in settings.options().items():
            alike = (option.doc, option.allowed)
            assert seen.setdefault(key, alike) == alike, (settings.method, key)


class PluggedSettings(Settings):
    """As a package of somebody else would have them."""

    method = "plugged"
    implementation = "somewhere.loss:Plugged"
    loss_weight: float = Field(2.0, ge=0, description="Weight of it all.")
    sharpness: int = Field(3, ge=1, le=9, description="How sharp it is.")


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> type[Settings]:
    monkeypatch.setattr(METHODS, "_parts", METHODS.parts())
    return register_method(PluggedSettings)


def test_a_plugged_in_method_is_validated_like_ours(plugged: type[Settings]) -> None:
    settings = parse_settings({"method": "plugged", "sharpness": 4.0, "key_weight": 1.0})
    assert settings == PluggedSettings(sharpness=4)
    assert settings.loss_weight == 2.0
    assert owners("sharpness") == ["plugged"]
    assert option_for("sharpness").is_integer
    with pytest.raises(ConfigError, match=r"sharpness is 10; it must be an integer in \[1, 9\]"):
        parse_settings({"method": "plugged", "sharpness": 10})
    with pytest.raises(ConfigError, match="'sharpness'"):
        owners("sharpnes")


def test_a_plugged_in_method_is_completed_by_the_schema(plugged: type[Settings]) -> None:
    properties = json_schema()["properties"]
    assert "plugged" in str(properties["method"])
    assert "How sharp it is." in str(properties["space"])


def test_a_name_belongs_to_one_method(plugged: type[Settings]) -> None:
    class Other(Settings):
        """Another one."""

        method = "plugged"

    assert register_method(plugged) is plugged
    with pytest.raises(UsageError, match="'plugged' is registered twice"):
        register_method(Other)


def test_an_implementation_that_is_not_there_is_named() -> None:
    nothing: Any = None
    with pytest.raises(ConfigError, match=r"plugged cannot be imported from 'somewhere\.loss:Plu"):
        build_method(PluggedSettings(), nothing, nothing)


def test_the_names_and_options_need_no_torch() -> None:
    code = (
        "import sys; from tid_tune.distill.registry import METHODS, option_for; "
        "option_for('quantile'); sys.exit('torch' in sys.modules or len(METHODS.names()) < 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


ALONE = """
import importlib, os, sys
import tid_tune.distill.method  # what they share is imported once: each process is a fork of this
wrong = 0
for name, module in {modules}.items():
    if not os.fork():
        importlib.import_module(module)
        others = tuple("tid_tune.distill.methods." + one for one in {modules} if one != name)
        found = [loaded for loaded in sys.modules if loaded.startswith(others)]
        print(name, *found, flush=True)
        os._exit(bool(found))
    wrong += os.wait()[1] != 0
sys.exit(wrong)
"""


def test_a_method_stands_on_no_other_one() -> None:
    """Whatever it imports comes from the shared modules."""
    modules = {n: s.implementation.split(":")[0] for n, s in METHODS.parts().items()}
    code = ALONE.format(modules=modules)
    found = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout
    assert found.stdout.split() == list(modules), found.stderr


def test_every_implementation_is_a_method_but_that_of_none() -> None:
    import pkgutil

    for name, settings in METHODS.parts().items():
        found = pkgutil.resolve_name(settings.implementation)
        assert issubclass(found, Method) == (name != "none")


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
