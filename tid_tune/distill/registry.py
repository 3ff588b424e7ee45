"""Which class carries out the settings of which method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tid_tune.detectors.heads import HeadAdapter
from tid_tune.distill.method import Method
from tid_tune.distill.methods.crosskd.loss import CrossKD
from tid_tune.distill.methods.defeat.loss import DeFeat
from tid_tune.distill.methods.fgd.loss import FGD
from tid_tune.distill.methods.frs.loss import FRS
from tid_tune.distill.methods.ld.loss import LD
from tid_tune.distill.methods.mimic.loss import Mimic
from tid_tune.distill.methods.pkd.loss import PKD
from tid_tune.distill.methods.tid.loss import TID
from tid_tune.distill.rival_settings import (
    CrossKDSettings,
    DeFeatSettings,
    FGDSettings,
    FRSSettings,
    LDSettings,
    MimicSettings,
    PKDSettings,
)
from tid_tune.distill.settings import Settings, TIDSettings

METHOD_CLASSES: dict[type[Settings], Callable[[Any, HeadAdapter, HeadAdapter], Method]] = {
    TIDSettings: TID,
    MimicSettings: Mimic,
    DeFeatSettings: DeFeat,
    FGDSettings: FGD,
    PKDSettings: PKD,
    FRSSettings: FRS,
    LDSettings: LD,
    CrossKDSettings: CrossKD,
}
"""Every entry of `settings.METHODS` but `none`, which needs no teacher."""


def build_method(settings: Settings, student: HeadAdapter, teacher: HeadAdapter) -> Method:
    """The method of these settings, for these heads."""
    return METHOD_CLASSES[type(settings)](settings, student, teacher)
