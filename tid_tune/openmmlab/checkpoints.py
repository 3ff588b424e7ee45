"""Checkpoint files: read without running their code, written so that no half file is left."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NotRequired, TypedDict, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from tid_tune.errors import ConfigError
from tid_tune.files import replacing


class Checkpoint(TypedDict):
    """What every checkpoint has, and most of them; others are in the file, too."""

    state_dict: Mapping[str, Tensor]
    """Weights by name."""
    meta: NotRequired[Mapping[str, object]]


def load_state(path: Path | str, map_location: str = "cpu") -> Checkpoint:
    """Return the whole checkpoint at `path`: weights under `state_dict`, and what else it has.

    Loads with `weights_only=True`, so a file cannot run code. A bare mapping of names to tensors
    is returned as {"state_dict": mapping}.

    Raises:
        ConfigError: there is no such file, or it is not a checkpoint.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"there is no checkpoint file {path}")
    _refuse_lookalikes(path)
    try:
        with torch.serialization.safe_globals(_allowed()):
            state = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        raise ConfigError(
            f"{path} cannot be loaded safely: it holds objects other than tensors, numbers and "
            f"text, or is not a PyTorch checkpoint. Save its weights alone with "
            f"torch.save({{'state_dict': model.state_dict()}}, path). ({_first_line(error)})"
        ) from error
    except Exception as error:  # bytes that are no checkpoint make the unpickler raise anything
        raise ConfigError(
            f"{path} is not a PyTorch checkpoint, or is damaged; download or write it again. "
            f"({_first_line(error)})"
        ) from error
    return _checked(state, path)


def load_weights(path: Path | str) -> dict[str, Tensor]:
    """Return the model's weights of the checkpoint at `path`, by parameter name, on the CPU.

    Drops the `module.` that data-parallel wrappers put before every name.

    Raises:
        ConfigError: as `load_state`.
    """
    weights = load_state(path)["state_dict"]
    if weights and all(name.startswith("module.") for name in weights):
        return {name.removeprefix("module."): tensor for name, tensor in weights.items()}
    return dict(weights)


def load_into(
    model: nn.Module, weights: Mapping[str, Tensor], *, source: str, target: str = "the model"
) -> None:
    """Load the weights into the model, which must have exactly these names and shapes.

    Args:
        model: renames weights of earlier mmdet versions itself; step counters of batch norm, which
            old checkpoints lack and evaluation does not read, may be missing.
        weights: tensors by name.
        source: what the error calls the weights.
        target: what the error calls the model.

    Raises:
        ConfigError: naming the first weights that are missing, superfluous or of another shape.
    """
    own = model.state_dict()
    misfits = {n for n, v in own.items() if n in weights and weights[n].shape != v.shape}
    fitting = {name: value for name, value in weights.items() if name not in misfits}
    try:
        # Through the model, which knows the names its weights had in earlier versions of mmdet.
        found = model.load_state_dict(fitting, strict=False)
    except RuntimeError as error:  # of another shape under an earlier name
        problems = [line.strip().removesuffix(".") for line in str(error).splitlines()[1:]]
    else:
        problems = [f"{name} is missing" for name in found.missing_keys if name not in misfits]
        problems += [f"{name} is not in the model" for name in found.unexpected_keys]
    problems += [
        f"{name} has the shape {tuple(weights[name].shape)} instead of {tuple(own[name].shape)}"
        for name in sorted(misfits)
    ]
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ConfigError(
            f"{source} does not fit {target}: {', '.join(problems[:3])}{more}. "
            "Is it the checkpoint of another config?"
        )


def save_state(state: Mapping[str, object], path: Path | str) -> None:
    """Write `state` to `path`: the old file stays until the new one is whole and on the disk."""
    with replacing(Path(path)) as partial:
        torch.save(state, partial)


def _refuse_lookalikes(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(256).lstrip()
    if not head:
        raise ConfigError(f"the checkpoint {path} is an empty file")
    if head.startswith(b"version https://git-lfs"):
        raise ConfigError(
            f"{path} is a Git LFS pointer, not the checkpoint itself: run `git lfs pull`"
        )
    if head[:1] == b"<":
        raise ConfigError(f"{path} is a web page, not a checkpoint; the download failed, repeat it")


def _checked(state: object, path: Path) -> Checkpoint:
    if _has_weights(state):
        return state
    if isinstance(state, Mapping) and state and all(map(torch.is_tensor, state.values())):
        return {"state_dict": dict(state)}
    raise ConfigError(f"{path} has no model weights; expected a `state_dict`, or tensors by name")


def _has_weights(state: object) -> TypeGuard[Checkpoint]:
    return isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:200]


class _History:
    """Stands in for mmengine's HistoryBuffer, which its checkpoints carry; nobody reads it."""

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)

    @staticmethod
    def attribute(owner: object, name: str) -> None:
        """Take the place of `getattr`, by which pickles name a HistoryBuffer's own methods."""


def _allowed() -> list[Callable[..., object] | tuple[Callable[..., object], str]]:
    """Return what OpenMMLab's checkpoints hold besides tensors: numpy arrays, log histories.

    `getattr` would let a pickle reach any function; the harmless stand-in is given instead.
    """
    arrays = ("numpy.core.multiarray", "numpy._core.multiarray")
    rebuild_array, rebuild_scalar = np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]
    dtypes = [getattr(np.dtypes, name) for name in np.dtypes.__all__]
    return [
        *((rebuild_array, f"{module}._reconstruct") for module in arrays),
        *((rebuild_scalar, f"{module}.scalar") for module in arrays),
        np.ndarray,
        np.dtype,
        *dtypes,
        (_History, "mmengine.logging.history_buffer.HistoryBuffer"),
        (_History.attribute, "builtins.getattr"),
        (_History.attribute, "__builtin__.getattr"),
    ]
