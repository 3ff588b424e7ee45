"""Fold batch normalizations into the convolutions before them, where that changes nothing.

In evaluation mode a batch normalization is a fixed scale and shift of each channel. Which layer it
follows is seen while a batch passes, not read from names, so every backbone, neck and head will do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Nested = Tensor | Sequence["Nested"]
Run = Callable[[], Nested]
TOLERANCE = 1e-4
"""Largest difference that folding may make, relative to the largest value of the same tensor."""


def fold(model: nn.Module, run: Run) -> int | None:
    """Fold what can be folded, and compare; the model is as before if its outputs differ.

    A pair is folded if the convolution's result goes into this normalization alone, in every call.

    Args:
        model: in evaluation mode.
        run: passes a batch through it and returns tensors.

    Returns:
        The number of pairs folded, or None if the outputs differed.
    """
    with torch.no_grad():
        pairs, before = _traced(model, run)
        replaced = {old: new for pair in pairs for old, new in _folded(*pair)}
        _replace(model, replaced)
        if not pairs or _agree(before, run()):
            return len(pairs)
    _replace(model, {new: old for old, new in replaced.items()})
    return None


def tensors(nested: Nested) -> Iterator[Tensor]:
    """Yield the tensors in lists of lists."""
    if isinstance(nested, Tensor):
        yield nested
    else:
        for item in nested:
            yield from tensors(item)


def _traced(model: nn.Module, run: Run) -> tuple[list[tuple[nn.Conv2d, nn.Module]], list[Tensor]]:
    """Return the pairs that one pass shows, and what the pass returns."""
    made: dict[int, tuple[nn.Conv2d, Tensor, int]] = {}
    takers: dict[int, set[nn.Module]] = {}
    sources: dict[nn.Module, set[nn.Conv2d | None]] = {}

    def convolved(module: nn.Module, _: object, output: Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        made[id(output)] = (module, output, output._version)  # alive, so that its id is its own

    def normalized(module: nn.Module, inputs: tuple[Tensor, ...], _: object) -> None:
        conv, _output, version = made.get(id(inputs[0]), (None, None, None))
        unchanged = inputs[0]._version == version  # an activation may work in place
        sources.setdefault(module, set()).add(conv if unchanged else None)
        takers.setdefault(id(inputs[0]), set()).add(module)

    layers = [layer for layer in model.modules() if type(layer) is nn.Conv2d or _is_fixed(layer)]
    hooks = [
        layer.register_forward_hook(normalized if _is_fixed(layer) else convolved)
        for layer in layers
    ]
    try:
        before = [item.clone() for item in tensors(run())]
    finally:
        for hook in hooks:
            hook.remove()
    users: dict[nn.Module, set[frozenset[nn.Module]]] = {}
    for key, (conv, _output, _version) in made.items():
        users.setdefault(conv, set()).add(frozenset(takers.get(key, set())))
    pairs = [
        (conv, norm)
        for norm, convs in sources.items()
        for conv in convs
        if conv is not None and len(convs) == 1 and users[conv] == {frozenset({norm})}
    ]
    return pairs, before


def _is_fixed(layer: nn.Module) -> bool:
    """Return whether a layer is a batch normalization by running statistics."""
    kinds = (nn.BatchNorm2d, nn.SyncBatchNorm)
    return isinstance(layer, kinds) and not layer.training and layer.running_mean is not None


def _folded(conv: nn.Conv2d, norm: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Yield what takes the place of either layer."""
    assert isinstance(norm, nn.BatchNorm2d | nn.SyncBatchNorm)
    yield conv, fuse_conv_bn_eval(conv, norm)
    yield norm, nn.Identity().eval()


def _replace(model: nn.Module, replaced: dict[nn.Module, nn.Module]) -> None:
    """Put other layers in, wherever the model holds them."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if child in replaced:
                setattr(parent, name, replaced[child])


def _agree(before: Sequence[Tensor], after: Nested) -> bool:
    return all(
        bool((new - old).abs().max() <= TOLERANCE * old.abs().max())
        for old, new in zip(before, tensors(after), strict=True)
    )
