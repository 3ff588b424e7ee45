"""mmengine's own loading of weights, through our door.

mmengine runs the code of a file that it cannot load safely, and starts from random weights where no
name matches. Both ends are replaced: what reads a file (`init_cfg` of any module, mmdet's own
distillers, backbones with a loader of their own), and what puts weights into a module.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmengine.model.weight_init import PretrainedInit, update_init_info
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from tid_tune.errors import ConfigError
from tid_tune.openmmlab.checkpoints import load_contents, load_into, load_matching, load_weights
from tid_tune.openmmlab.matching import Match, counted
from tid_tune.openmmlab.setup import quiet


def install() -> None:
    """Make mmengine, in this process, read and place weights by the functions of this module."""
    CheckpointLoader.register_scheme(list(CheckpointLoader._schemes), load_from_safe, force=True)
    mmengine_checkpoint._load_checkpoint_to_model = _load_checkpoint_to_model
    PretrainedInit.__call__ = _initialize


def load_part(module: nn.Module, address: str, prefix: str | None = None) -> Match:
    """Load a module's first weights, as `init_cfg=dict(type="Pretrained", ...)` asks for.

    Args:
        module: gets those weights whose names and shapes it has.
        address: as in `addresses`.
        prefix: takes the weights below this name, such as `backbone.`, by their names below it.

    Raises:
        ConfigError: the file cannot be read, has nothing under `prefix`, or is of another network.
    """
    weights = load_weights(address)
    if prefix is not None:
        start = f"{prefix.removesuffix('.')}."
        below = {k.removeprefix(start): v for k, v in weights.items() if k.startswith(start)}
        if not below:
            raise ConfigError(
                f"{address} has no weights under `{start}`; its names are such as "
                f"`{next(iter(weights), '(none)')}`. Fix `prefix` of init_cfg"
            )
        weights = below
    try:
        return load_matching(module, weights, source=str(address))
    except ConfigError as error:
        raise ConfigError(f"{error}{_prefix_hint(module, weights)}") from error


def load_first(module: BaseModule, init_cfg: Mapping[str, Any]) -> Match:
    """Load a module's first weights before a training, to see whether they fit.

    Raises:
        ConfigError: as `load_part`.
    """
    address = str(init_cfg["checkpoint"])
    if not _loads_by_itself(module):
        return load_part(module, address, init_cfg.get("prefix"))
    load_contents(address)
    matches: list[Match] = []
    try:
        with quiet(), watched(module, matches.append):
            module.init_weights()
    except ConfigError:
        raise
    except NotImplementedError:  # on the meta device, of values that are drawn
        return load_part(module, address, init_cfg.get("prefix"))
    except Exception as error:  # of a file whose names it cannot convert
        name = type(error).__name__
        raise ConfigError(
            f"{address} does not fit the {type(module).__name__}: {name}: {error}"
        ) from error
    return matches[-1]


@contextlib.contextmanager
def watched(model: nn.Module, found: Callable[[Match], object] | None = None) -> Iterator[None]:
    """Inside the block, refuse few matching names also in modules that load by themselves.

    Backbones such as Swin and PVT rename the weights of `init_cfg` and load them on their own.
    """

    def judge(module: BaseModule, keys: Any) -> None:
        own, missing, superfluous = map(
            counted, (module.state_dict(), keys.missing_keys, keys.unexpected_keys)
        )
        given = (*(name for name in own if name not in missing), *superfluous)
        match = Match(own, given, missing, superfluous, {})
        source, target = str(module.init_cfg.get("checkpoint")), type(module).__name__
        match.require(source, f"the {target}")
        print_log(match.describe(source, target), logger="current")
        if found is not None:
            found(match)

    handles = [
        module.register_load_state_dict_post_hook(judge)
        for module in model.modules()
        if is_pretrained(getattr(module, "init_cfg", None)) and _loads_by_itself(module)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def is_pretrained(init_cfg: object) -> bool:
    """Return whether an `init_cfg` loads a file."""
    kind = init_cfg.get("type") if isinstance(init_cfg, Mapping) else None
    return kind in ("Pretrained", PretrainedInit)


def _loads_by_itself(module: nn.Module) -> bool:
    return (
        not isinstance(module, BaseModule)
        or type(module).init_weights is not BaseModule.init_weights
    )


def _prefix_hint(module: nn.Module, weights: Mapping[str, Tensor]) -> str:
    """Return what to do where all of a module's weights are in the file, below another name."""
    first = next(iter(module.state_dict()), "")
    for name in weights:
        prefix = name.removesuffix(first)
        if prefix.endswith(".") and f"{prefix}{first}" == name:
            return f" Its weights may be those under `{prefix}`: set prefix={prefix!r} in init_cfg"
    return ""


class _Contents(dict[str, Any]):
    """What a file holds, and where it comes from: mmengine hands on the dict alone."""

    source: str


def load_from_safe(filename: str, map_location: Any = None) -> object:
    """Return what a file holds; mmengine's log calls this the `safe` backend, by its name."""
    contents = load_contents(filename, map_location or "cpu")
    if not isinstance(contents, dict):
        return contents
    marked = _Contents(contents)
    marked.source = str(filename)
    return marked


def _initialize(self: PretrainedInit, module: nn.Module) -> None:
    match = load_part(module, self.checkpoint, self.prefix)
    print_log(match.describe(str(self.checkpoint), type(module).__name__), logger="current")
    if hasattr(module, "_params_init_info"):
        update_init_info(module, init_info=self._get_init_info())


def _load_checkpoint_to_model(
    model: nn.Module,
    checkpoint: dict[str, Any],
    strict: bool = False,
    logger: Any = None,
    revise_keys: list[tuple[str, str]] | None = None,
) -> dict[str, Any]:
    """Load what fits, as mmengine's function of this name does; refuse what does not fit at all."""
    weights: Mapping[str, Tensor] = checkpoint.get("state_dict", checkpoint)
    for pattern, replacement in revise_keys or [(r"^module\.", "")]:
        weights = {re.sub(pattern, replacement, name): value for name, value in weights.items()}
    source = getattr(checkpoint, "source", "the checkpoint")
    if strict:
        load_into(model, weights, source=source)
    else:
        match = load_matching(model, weights, source=source)
        print_log(match.describe(source, type(model).__name__), logger=logger or "current")
    return checkpoint
