"""What a trial changes in its process, and how it is put back for the next trial."""

from __future__ import annotations

import gc
import os
import random
from typing import NotRequired, TypedDict

import cv2
import numpy as np
import torch
from torch import Tensor

from tid_tune import ranks
from tid_tune.openmmlab.named_objects import discard_objects, names_since, object_names


class RandomState(TypedDict):
    """The state of all generators, as a checkpoint may hold it."""

    python: tuple[int, tuple[int, ...], float | None]
    numpy_key: Tensor
    numpy_pos: int
    numpy_gauss: tuple[int, float]
    """Whether there is a second Gaussian draw to give out, and the draw."""
    torch: Tensor
    cuda: NotRequired[Tensor]


class ProcessState:
    """The process-wide settings at the time it is made; `restore` brings them back.

    Covers the objects mmengine keeps by name (loggers, message hubs, visualizers, scopes),
    torch's thread count and determinism flags, OpenCV's thread count, and the GPU's cached memory.
    Random generators, which every trial seeds, are restored for other code that may follow.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.names = object_names()
        self._threads = torch.get_num_threads()
        self._cv2_threads = cv2.getNumThreads()
        self._benchmark = torch.backends.cudnn.benchmark
        self._cudnn_deterministic = torch.backends.cudnn.deterministic
        self._deterministic = torch.are_deterministic_algorithms_enabled()
        self._random = random_state()
        if threads is not None:
            torch.set_num_threads(threads)

    def restore(self) -> None:
        """Undo what has changed since; safe to call more than once."""
        discard_objects(names_since(self.names))
        torch.set_num_threads(self._threads)
        cv2.setNumThreads(self._cv2_threads)
        torch.backends.cudnn.benchmark = self._benchmark
        torch.backends.cudnn.deterministic = self._cudnn_deterministic
        torch.use_deterministic_algorithms(self._deterministic)
        set_random_state(self._random)
        free_memory()


def use_assigned_threads() -> None:
    """Let torch use the threads that `OMP_NUM_THREADS` says, as when it is imported.

    Ray sets it in a worker to the worker's cores, which may be after torch was imported.
    """
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal() and int(threads):
        torch.set_num_threads(int(threads))


def free_memory() -> None:
    """Free the objects of a closed trial, and the GPU's cached memory."""
    gc.collect()  # a runner, its hooks and its loops refer to each other
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def random_state() -> RandomState:
    """Return the state of Python's, numpy's and torch's generators, as plain values and tensors."""
    numpy = np.random.get_state(legacy=False)
    state: RandomState = {
        "python": random.getstate(),
        "numpy_key": torch.from_numpy(numpy["state"]["key"].astype(np.int64)),
        "numpy_pos": int(numpy["state"]["pos"]),
        "numpy_gauss": (int(numpy["has_gauss"]), float(numpy["gauss"])),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def seed_rank(seed: int, iteration: int) -> None:
    """Seed the generators of a rank that goes on from an iteration, but not the first rank's.

    Weights are made from the same seed everywhere; what is drawn while training is not the same.
    """
    if ranks.rank() > 0:
        drawn = np.random.SeedSequence((seed, iteration, ranks.rank())).generate_state(1)
        random.seed(int(drawn[0]))
        np.random.seed(int(drawn[0]))
        torch.manual_seed(int(drawn[0]))


def set_random_state(state: RandomState) -> None:
    """Put back what `random_state` returned; the GPU's only where there is one."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    has_gauss, cached = state["numpy_gauss"]
    np.random.set_state(
        {
            "bit_generator": "MT19937",
            "state": {
                "key": state["numpy_key"].cpu().numpy().astype(np.uint32),
                "pos": state["numpy_pos"],
            },
            "has_gauss": has_gauss,
            "gauss": cached,
        }
    )
    torch.set_rng_state(state["torch"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
