"""Checkpoint files: read without running their code, written so that no half file is left."""

from __future__ import annotations

import contextlib
import io
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, NotRequired, TypedDict, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from tid_tune.errors import ConfigError
from tid_tune.files import replacing
from tid_tune.openmmlab.addresses import OF_CLASSIFIERS, locate
from tid_tune.openmmlab.matching import Match, fit

_WRAPPER = "module."


class Checkpoint(TypedDict):
    """What every checkpoint has, and most of them; others are in the file, too."""

    state_dict: Mapping[str, Tensor]
    """Weights by name."""
    meta: NotRequired[Mapping[str, object]]


def load_state(address: Path | str, map_location: str = "cpu") -> Checkpoint:
    """Return the whole checkpoint at `address`: weights under `state_dict`, and what else it has.

    A bare mapping of names to tensors is returned as {"state_dict": mapping}.

    Raises:
        ConfigError: as `load_contents`, or it is not a checkpoint.
    """
    return _checked(load_contents(address, map_location), address)


def load_weights(address: Path | str) -> dict[str, Tensor]:
    """Return the model's weights of the checkpoint at `address`, by parameter name, on the CPU.

    Drops the `module.` that data-parallel wrappers put before every name.

    Raises:
        ConfigError: as `load_state`.
    """
    return without_wrapper(load_state(address)["state_dict"])


def without_wrapper(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights without the `module.` that data-parallel wrappers put before all names."""
    if weights and all(name.startswith(_WRAPPER) for name in weights):
        return {name.removeprefix(_WRAPPER): tensor for name, tensor in weights.items()}
    return dict(weights)


def load_contents(address: Path | str, map_location: str | torch.device = "cpu") -> object:
    """Return what the file of weights at `address` holds; this is the one place that reads such.

    Loads with `weights_only=True`, so a file cannot run code. What is not on this machine is
    downloaded (see `addresses`).

    Raises:
        ConfigError: there is no such file, it holds more than data, or it is damaged.
    """
    path = locate(address).fetch()
    _refuse_lookalikes(path)
    try:
        with _opened(path) as file, torch.serialization.safe_globals(_allowed()):
            contents = torch.load(file, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        raise ConfigError(
            f"{path} cannot be loaded safely: it holds objects other than tensors, numbers and "
            f"text, or is not a PyTorch checkpoint. Save its weights alone with "
            f"torch.save({{'state_dict': model.state_dict()}}, path). ({_refused(error)})"
        ) from error
    except Exception as error:  # bytes that are no checkpoint make the unpickler raise anything
        raise ConfigError(
            f"{path} is not a PyTorch checkpoint, or is damaged; download or write it again. "
            f"({_first_line(error)})"
        ) from error
    if str(address).startswith(OF_CLASSIFIERS):
        return {"state_dict": _backbone(_checked(contents, address)["state_dict"])}
    return contents


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Path | IO[bytes]]:
    """Give the file to load: as some old files are packed, the only member of a zip archive."""
    if not zipfile.is_zipfile(path):
        yield path
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) != 1:  # a checkpoint of today is an archive, too, with many members
            yield path
            return
        yield io.BytesIO(archive.read(members[0]))


def _backbone(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = "backbone."
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


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
    match = fit(model, weights)
    match.require(source, target)
    problems = [f"{name} is missing" for name in match.missing]
    problems += [f"{name} is not in the model" for name in match.superfluous]
    problems += match.misshapen.values()
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ConfigError(
            f"{source} does not fit {target}: {', '.join(problems[:3])}{more}. "
            "Is it the checkpoint of another config?"
        )


def load_matching(model: nn.Module, weights: Mapping[str, Tensor], *, source: str) -> Match:
    """Load those weights that the model has; the others keep their values.

    For weights to start from, which may be those of a part, or of other classes.

    Raises:
        ConfigError: none or few names match, or the weights are of another network.
    """
    match = fit(model, weights)
    match.require(source, f"the {type(model).__name__}")
    return match


def save_state(state: Mapping[str, object], path: Path | str) -> None:
    """Write `state` to `path`: the old file stays until the new one is whole and on the disk.

    Raises:
        OSError: it cannot be written. torch's own error would name a line of its source in place of
            the full disk.
    """
    with replacing(Path(path)) as partial, partial.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


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


def _checked(state: object, path: Path | str) -> Checkpoint:
    if _has_weights(state):
        return state
    if isinstance(state, Mapping) and state and all(map(torch.is_tensor, state.values())):
        return {"state_dict": dict(state)}
    raise ConfigError(f"{path} has no model weights; expected a `state_dict`, or tensors by name")


def _has_weights(state: object) -> TypeGuard[Checkpoint]:
    return isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping)


def _refused(error: Exception) -> str:
    """Return what the file names; torch's own text ends with how to load it all the same."""
    name = re.search(r"GLOBAL (\S+)", str(error))
    return f"It names {name[1]}" if name else _first_line(error)


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
