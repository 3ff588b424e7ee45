"""What a step of several ranks trains on, and what that does to the learning rate."""

from __future__ import annotations

from collections.abc import Mapping

from tid_tune.errors import ConfigError
from tid_tune.openmmlab.configs import get_value, load_config
from tid_tune.searchfile.model import SearchSpec

BATCH, SCALING = "train_dataloader.batch_size", "auto_scale_lr"


def batch_text(spec: SearchSpec, edits: Mapping[str, object] | None = None) -> str:
    """Return one line on the whole batch of all ranks, and on the learning rate.

    Empty for one rank, whose batch is that of the config.

    Args:
        spec: the search.
        edits: the values of one of its trials; None: of all, as far as they are the same.
    """
    ranks = spec.resources.ranks
    if ranks == 1:
        return ""
    values = spec.fixed if edits is None else edits
    varies = edits is None and BATCH in spec.space and BATCH not in spec.fixed
    try:
        config = load_config(spec.trial, values, imports=False)
        size = get_value(config, BATCH)
    except ConfigError:  # it is reported where the config is needed
        return ""
    text = f"{ranks} ranks, each with its own {BATCH}"
    if isinstance(size, int) and not varies:
        text += f": {ranks} x {size} = {ranks * size} images a step"
    scaling = config.get(SCALING) or {}
    if scaling.get("enable"):
        base = scaling.get("base_batch_size")
        return f"{text}; the learning rate is multiplied by images a step / {base} ({SCALING})"
    return f"{text}; the learning rate stays as it is ({SCALING} is off)"
