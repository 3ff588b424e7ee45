"""A training step on a batch in parts, for one that does not fit into the memory as a whole."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from torch import Tensor


def train_in_parts(
    model: Any, batch: Mapping[str, Any], optim_wrapper: Any, parts: int
) -> dict[str, Tensor]:
    """Train one iteration on a batch; its gradients are added up over parts of it.

    Equal to the step on the whole batch where its loss is a mean over images. What a detector
    counts over a batch (positives, statistics of batch norm), it counts over a part here.

    Args:
        model: an mmengine model.
        batch: lists or tensors by name, one entry an image, as the loader gave it.
        optim_wrapper: steps once, as after a whole batch.
        parts: at most so many; a part has one image at least.

    Returns:
        What the model reports: means over the images.
    """
    count = len(batch["inputs"])
    bounds = [round(count * i / parts) for i in range(parts + 1)]
    spans = [(low, high) for low, high in itertools.pairwise(bounds) if high > low]
    logged: dict[str, Tensor] = {}
    for number, (low, high) in enumerate(spans, start=1):
        share = (high - low) / count
        part = {name: values[low:high] for name, values in batch.items()}
        with optim_wrapper.optim_context(model):
            losses = model(**model.data_preprocessor(part, True), mode="loss")
        total, values = model.parse_losses(losses)
        for name, value in values.items():
            logged[name] = logged.get(name, 0.0) + share * value.detach()
        if number == len(spans):
            optim_wrapper.update_params(share * total)
        else:
            optim_wrapper.backward(optim_wrapper.scale_loss(share * total))
            # mmengine counts backward passes as iterations, after which it may step.
            optim_wrapper._inner_count -= 1
    return logged
