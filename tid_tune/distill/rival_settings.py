"""The constants of the methods that TID is compared with; torch-free, like settings.py.

Options that several methods have under one name mean the same in all of them, so that a search
over `method` can share them. All terms are means over a declared unit (docs/methods.md), hence the
default weights are not those of the papers, which mostly sum.
"""

from __future__ import annotations

from dataclasses import dataclass

from tid_tune.distill.options import Settings, choice, integer, number


@dataclass(frozen=True)
class _FeatureSettings(Settings):
    """Options of methods that compare feature maps.

    Without normalization a sensible weight depends on the scale of the features, which differs by
    orders of magnitude between detectors; the default weights are for normalized ones.
    """

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


@dataclass(frozen=True)
class MimicSettings(_FeatureSettings):
    """Whole-map feature mimicking (FitNets, ICLR 2015)."""

    method = "mimic"

    loss_weight: float = number(3.0, "Weight of the whole distillation loss; 0 switches it off.")


@dataclass(frozen=True)
class DeFeatSettings(_FeatureSettings):
    """Decoupled features (DeFeat, CVPR 2021)."""

    method = "defeat"

    fg_weight: float = number(1.0, "Weight of the points inside objects.")
    bg_weight: float = number(0.5, "Weight of the points outside all objects.")
    level_scale: float = number(
        8.0,
        "An object is drawn on the coarsest level whose stride times this is not above its size "
        "sqrt(w*h), or on the finest. 14 is FPN's rule for two-stage detectors; 4 fits RetinaNet's "
        "anchors, 8 those of GFL and ATSS.",
        above=True,
    )


@dataclass(frozen=True)
class FGDSettings(_FeatureSettings):
    """Focal and global distillation (FGD, CVPR 2022)."""

    method = "fgd"

    fg_weight: float = number(0.3, "Weight of the points inside objects.")
    bg_weight: float = number(0.3, "Weight of the points outside all objects.")
    attention_weight: float = number(0.5, "Weight of the difference of the attention maps.")
    global_weight: float = number(1.0, "Weight of the difference after the global context block.")
    attention_temperature: float = number(
        0.5, "Temperature of both attentions; lower is more peaked.", above=True
    )


@dataclass(frozen=True)
class PKDSettings(Settings):
    """Pearson correlation of features (PKD, NeurIPS 2022)."""

    method = "pkd"

    loss_weight: float = number(6.0, "Weight of the whole distillation loss; 0 switches it off.")
    adapt: str = choice(
        "auto",
        "1x1 convolution from student to teacher channels: only where they differ, or always.",
        "auto",
        "conv",
    )


@dataclass(frozen=True)
class FRSSettings(_FeatureSettings):
    """Feature richness score (FRS, NeurIPS 2021)."""

    method = "frs"

    feature_weight: float = number(1.0, "Weight of the feature difference.")
    class_weight: float = number(1.0, "Weight of the difference of the class predictions.")


@dataclass(frozen=True)
class LDSettings(Settings):
    """Localization distillation (LD, CVPR 2022); detectors with box distributions only."""

    method = "ld"

    main_weight: float = number(1.0, "Weight of the positive points.")
    vlr_weight: float = number(0.25, "Weight of the valuable localization region around them.")
    vlr_low: float = number(
        0.25,
        "The region starts at this fraction of an object's positive threshold, measured in DIoU.",
        high=1.0,
    )
    temperature: float = number(
        10.0, "Temperature of the edge distributions of boxes (GFL).", above=True
    )


@dataclass(frozen=True)
class CrossKDSettings(Settings):
    """Cross-head distillation (CrossKD, CVPR 2024)."""

    method = "crosskd"

    class_weight: float = number(1.0, "Weight of the difference of the class predictions.")
    box_weight: float = number(1.0, "Weight of the difference of the boxes.")
    stage: int = integer(
        3,
        "The student's features enter the teacher's head after this many convolutions of its "
        "towers, or after the last where a tower is shorter.",
        low=1,
    )
    beta: float = number(
        1.0, "Exponent of the focus on points where the class probabilities differ.", low=1.0
    )
    foreground_score: float = number(
        0.1,
        "A point is foreground if the teacher gives a class this probability; boxes are compared "
        "there, and both terms are per foreground point.",
        high=1.0,
        above=True,
    )
    temperature: float = number(
        1.0, "Temperature of the edge distributions of boxes (GFL).", above=True
    )
    adapt: str = choice(
        "auto",
        "1x1 convolution from student to teacher channels: only where they differ, or always.",
        "auto",
        "conv",
    )


RIVALS: tuple[type[Settings], ...] = (
    MimicSettings,
    DeFeatSettings,
    FGDSettings,
    PKDSettings,
    FRSSettings,
    LDSettings,
    CrossKDSettings,
)
