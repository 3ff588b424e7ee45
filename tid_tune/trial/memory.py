"""How many students fit into memory beside one teacher."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from tid_tune.trial.runner import TrialRunner

MOST = 8
"""Students that one worker trains side by side at most: each has 1/8 of the teacher left to pay."""
USED = 0.85
"""The part of the memory that may be planned with."""
OVERHEAD = 32 * 2**20
"""Bytes that a trial takes beside its tensors: runner, hooks, loaders."""


def fitting_students(runner: TrialRunner, *, cpus: float, gpus: float) -> int:
    """Return how many trials like this one fit side by side, 1 to 8; ask after some training.

    One trial trains at a time, so activations and gradients are counted once, as the peak so far
    has them; each further student adds its weights, buffers and optimizer state, and on the CPU
    its gradients, which are not freed between two steps of a pack there.

    Args:
        runner: of a trial that has trained at least one iteration, alone in its worker.
        cpus: of the worker; its share of the machine's memory follows from them.
        gpus: of the worker; below 1, its share of the GPU's memory.
    """
    each = OVERHEAD + _bytes(_kept(runner))
    device = runner.device
    if device.type == "cuda":
        limit = torch.cuda.mem_get_info(device)[1] * min(gpus or 1.0, 1.0)
        peak = torch.cuda.max_memory_allocated(device)
    else:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        limit = machine * min(1.0, (cpus or 1.0) / (os.cpu_count() or 1))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        each += _bytes(p for p in runner.detector.parameters() if p.requires_grad)
    return max(1, min(MOST, 1 + int((USED * limit - peak) // each)))


def _kept(runner: TrialRunner) -> Iterator[Tensor]:
    """Yield the tensors that a trial holds between two steps; the teacher is not one of them."""
    yield from runner.detector.state_dict().values()
    for state in runner.optim_wrapper.optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, Tensor))


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
