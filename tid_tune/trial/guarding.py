"""What libraries print goes to the log of a trial, and their errors become the trial's."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from tid_tune import warm
from tid_tune.errors import TidTuneError, TrialError


@contextlib.contextmanager
def guarded(log: Path, *, building: bool = False) -> Iterator[None]:
    """Send what is printed inside to a log, and turn errors into those of a trial.

    Args:
        log: a text file; it is appended to.
        building: whether a trial is being built. That is a function of the config alone, so that
            it would fail again.

    Raises:
        TrialError: kind `oom`, the GPU is full; kind `user`, nothing could be built.
    """
    try:
        with (
            log.open("a") as output,
            contextlib.redirect_stdout(output),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    except TidTuneError:
        raise
    except torch.cuda.OutOfMemoryError as error:
        raise out_of_memory(error) from error
    except Exception as error:
        if not building:
            raise
        name = type(error).__name__
        raise TrialError(f"cannot build the trial: {name}: {error}", kind="user") from error


def out_of_memory(error: torch.cuda.OutOfMemoryError, others: int = 0) -> TrialError:
    """Return a full GPU as the failure of a trial; beside `others`, it may have room alone.

    What the process keeps for its next trials is freed.
    """
    warm.clear()
    place, kind = (f" beside {others} others", "crowded") if others else ("", "oom")
    return TrialError(f"out of GPU memory{place}: {str(error).splitlines()[0]}", kind)
