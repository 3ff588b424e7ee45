"""Whole-map feature mimicking (FitNets, ICLR 2015)."""

from tid_tune.distill.methods.mimic.settings import MimicSettings

__all__ = ["MimicSettings"]
