"""Decoupled features (DeFeat, CVPR 2021)."""

from tid_tune.distill.methods.defeat.settings import DeFeatSettings

__all__ = ["DeFeatSettings"]
