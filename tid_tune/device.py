"""The device that a command computes on."""

from __future__ import annotations

import torch

from tid_tune.errors import UsageError


def pick_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" is the current GPU, or the CPU if there is none.

    Raises:
        UsageError: `name` is no device's name, or this machine has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # CPU builds of torch assert
        reason = str(error).strip().split("\n", 1)[0]
        raise UsageError(
            f"device {name!r} cannot be used here: {reason}. Expected auto, cpu, cuda or cuda:N."
        ) from None
    return device
