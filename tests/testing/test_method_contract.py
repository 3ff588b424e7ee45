"""The contract of methods finds what is wrong with one, and nothing in a sound one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import Field
from support import broken_methods
from support.broken_methods import Sound

from tid_tune.distill.registry import METHODS, register_method
from tid_tune.distill.settings import Settings
from tid_tune.testing.methods import MethodContract

FAULTS = {
    "Summed": "repeating_the_batch",
    "DividedByObjects": "images_without_objects",
    "Unweighted": "terms_scale_with_the_weight",
    "LogsALoss": "values_to_log",
    "Detached": "gradient_to_the_student",
    "WritesToTheTeacher": "leaves_the_teacher",
    "OwnsTheTeacher": "owns_neither_detector",
    "NeverSatisfied": "copy_of_the_teacher",
}
"""The tests that must find the fault of a method."""


def suite_of(implementation: str, monkeypatch: pytest.MonkeyPatch) -> MethodContract:
    monkeypatch.setattr(METHODS, "_parts", METHODS.parts())

    @register_method
    class Tried(Settings):
        """A method that is tried."""

        method = "tried"

    Tried.implementation = f"{broken_methods.__name__}:{implementation}"
    return type("Suite", (MethodContract,), {"settings": Tried})()


def run(suite: MethodContract, words: str) -> None:
    """Run the tests of the contract whose names have these words, on one kind of detector."""
    (name,) = [name for name in dir(suite) if words in name]
    test: Any = getattr(suite, name)
    more = {"batch": "no object at all"} if words == FAULTS["DividedByObjects"] else {}
    test(kind="gfl", **more)


@pytest.mark.parametrize(("implementation", "words"), FAULTS.items())
def test_a_fault_is_found(implementation: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run(suite_of(Sound.__name__, monkeypatch), words)
    with pytest.raises(AssertionError):
        run(suite_of(implementation, monkeypatch), words)


def test_an_option_without_a_sentence_is_found() -> None:
    class Silent(Settings):
        """One option is not described."""

        method = "silent"
        strength: float = Field(1.0, ge=0)

    suite = type("Suite", (MethodContract,), {"settings": Silent})()
    with pytest.raises(AssertionError, match="strength"):
        suite.test_every_option_has_a_sentence_and_a_default_that_is_allowed()


def test_settings_that_import_torch_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = suite_of("Sound", monkeypatch)
    suite.settings.__module__ = "tid_tune.distill.context"
    with pytest.raises(AssertionError):
        suite.test_its_settings_need_no_torch()


def test_the_tests_named_here_are_those_of_the_contract() -> None:
    for words in FAULTS.values():
        assert len([name for name in dir(MethodContract) if re.search(words, name)]) == 1
