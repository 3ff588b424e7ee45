"""What a step of several ranks trains on, and what that does to the learning rate."""

from __future__ import annotations

from tid_tune.errors import ConfigError
from tid_tune.openmmlab.configs import get_value, load_config
from tid_tune.searchfile.model import SearchSpec

BATCH, SCALING = "train_dataloader.batch_size", "auto_scale_lr"


def batch_text(spec: SearchSpec) -> str:
    """Return one line on the whole batch of all ranks, and on the learning rate.

    Empty for one rank, whose batch is that of the config.
    """
    ranks = spec.resources.ranks
    if ranks == 1:
        return ""
    try:
        config = load_config(spec.trial, imports=False)
        size = get_value(config, BATCH)
    except ConfigError:  # it is reported where the config is needed
        return ""
    text = f"{ranks} ranks, each with its own {BATCH}"
    if BATCH not in spec.space and isinstance(size, int):
        text += f": {ranks} x {size} = {ranks * size} images a step"
    scaling = config.get(SCALING) or {}
    if scaling.get("enable"):
        base = scaling.get("base_batch_size")
        return f"{text}; the learning rate is multiplied by images a step / {base} ({SCALING})"
    return f"{text}; the learning rate stays as it is ({SCALING} is off)"
