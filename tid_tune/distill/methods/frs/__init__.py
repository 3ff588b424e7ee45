"""Feature richness score (FRS, NeurIPS 2021)."""

from tid_tune.distill.methods.frs.settings import FRSSettings

__all__ = ["FRSSettings"]
