"""The sampler `tpe`: `sampler` asks Optuna, to which `optuna_bridge` shows the observations."""

from tid_tune.search.samplers.tpe.sampler import TpeOptions, TpeSampler

__all__ = ["TpeOptions", "TpeSampler"]
