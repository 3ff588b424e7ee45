"""Our own methods pass what the methods of other packages must."""

from __future__ import annotations

from support.method_cases import TEACHING

from tid_tune.distill.methods.crosskd import CrossKDSettings
from tid_tune.distill.methods.defeat import DeFeatSettings
from tid_tune.distill.methods.fgd import FGDSettings
from tid_tune.distill.methods.frs import FRSSettings
from tid_tune.distill.methods.ld import LDSettings
from tid_tune.distill.methods.mimic import MimicSettings
from tid_tune.distill.methods.pkd import PKDSettings
from tid_tune.distill.methods.tid import TIDSettings
from tid_tune.testing.methods import MethodContract


class TestTID(MethodContract):
    settings = TIDSettings


class TestMimic(MethodContract):
    settings = MimicSettings


class TestDeFeat(MethodContract):
    settings = DeFeatSettings


class TestFGD(MethodContract):
    settings = FGDSettings
    flat_for_a_copy = False  # the difference of the attention maps is absolute


class TestPKD(MethodContract):
    settings = PKDSettings


class TestFRS(MethodContract):
    settings = FRSSettings
    positive_for_a_copy = ("class",)  # a cross entropy


class TestLD(MethodContract):
    settings = LDSettings
    heads = ("gfl",)


class TestCrossKD(MethodContract):
    settings = CrossKDSettings
    flat_for_a_copy = False  # beta 1 gives the focus a corner


def test_every_method_is_tested() -> None:
    tested = {suite.settings.method for suite in MethodContract.__subclasses__()}
    assert tested >= set(TEACHING)
