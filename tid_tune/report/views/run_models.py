"""Baseline, best and teacher of a run on validation images, evaluated once and kept in its folder.

They are in `report/models/` of the run folder, a file for each model, named by what its detections
depend on: weights, config, number of images. `report/models.json` lists those that belong together.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tid_tune.files import write_text
from tid_tune.ledger.records import Trial
from tid_tune.report.views.evaluated import Evaluated, read_evaluated, require_same_images
from tid_tune.results.run_folder import BEST, RunFolder
from tid_tune.searchfile.source import DEFAULT_TRAINABLE

FOLDER, INDEX = "report/models", "report/models.json"
AT_THE_END = 60.0
"""Seconds that the evaluation at the end of a search may take, by what the first images took."""
_PROBE = 4
"""Images after which that is estimated."""
Watch = Callable[[str, int, int], None]
"""Called with the name of a model, and how many images are done, of how many."""


class TooSlow(Exception):
    """The evaluation would take longer than it may."""


@dataclass
class _Clock:
    """Ends an evaluation that would take too long, by what its first batches took."""

    seconds: float
    models: int
    batch: int
    started: float = 0.0

    def check(self, done: int, total: int) -> None:
        """Take in how far it is; raises TooSlow."""
        if done == 0:
            self.started = time.monotonic()
        # Images of a batch are done at once.
        if done < _PROBE or done % self.batch or done >= 2 * max(_PROBE, self.batch):
            return
        expected = (time.monotonic() - self.started) / done * total * self.models
        if expected > self.seconds:
            raise TooSlow(
                f"evaluating {self.models} models on {total} images takes about {expected:.0f} s "
                f"here, and may take {self.seconds:g} s at the end of a search"
            )


def can_be_evaluated(run: RunFolder) -> bool:
    """Return whether a run has weights of its best student, trained as every shipped search does.

    This is known without torch.
    """
    best = run.winner
    if best is None or run.spec.trainable != DEFAULT_TRAINABLE:
        return False
    return bool(run.files.sizes(BEST)) or run.checkpoint(best) is not None


def evaluate_run(
    run: RunFolder,
    *,
    images: int,
    seconds: float | None = None,
    device: str = "auto",
    watch: Watch = lambda name, done, total: None,
) -> list[Evaluated]:
    """Return baseline, best and teacher of a run on its first validation images.

    What is in the run folder is not computed again.

    Args:
        run: the run folder.
        images: how many are used.
        seconds: the most that it may take, as estimated from the first images; None: any time.
        device: "auto", "cpu", "cuda", ...
        watch: is told how far it is.

    Raises:
        TooSlow: it would take longer than `seconds`.
        UsageError: the run has no result, no weights, or its data or config cannot be used.
    """
    from tid_tune.report.views.models import models_of_run  # imports torch

    models = models_of_run(run)
    found, entries = [], []
    for model in models:
        name = f"{FOLDER}/{model.key}-{images}.npz"
        known = read_evaluated(run.path / name) if run.files.fetch(name) else None
        if known is None:
            clock = _Clock(seconds or float("inf"), len(models), model.batch)
            known = model.evaluate(
                limit=images, device=device, watch=partial(_watched, clock, watch, model.name)
            )
            known.save(run.path / name)
            run.files.keep(name)
        found.append(known)
        entries.append({"file": name, "trial": model.trial, "images": images})
    require_same_images(found)
    write_text(run.path / INDEX, json.dumps(entries, indent=1) + "\n")
    run.files.keep(INDEX)
    _tidy(run, {str(entry["file"]) for entry in entries})
    return found


def _watched(clock: _Clock, watch: Watch, name: str, done: int, total: int) -> None:
    clock.check(done, total)
    watch(name, done, total)


def read_run_models(run: RunFolder, best: Trial | None) -> list[Evaluated]:
    """Return what `evaluate_run` has left, if it is of the trial `best`; else nothing.

    Neither torch nor the data are needed.
    """
    try:
        entries = json.loads((run.path / INDEX).read_text()) if run.files.fetch(INDEX) else []
        files = [str(entry["file"]) for entry in entries]
        trials = [entry["trial"] for entry in entries]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if best is None or best.id not in trials:
        return []
    found = [read_evaluated(run.path / name) for name in files if run.files.fetch(name)]
    return [one for one in found if one is not None] if None not in found else []


def _tidy(run: RunFolder, used: set[str]) -> None:
    """Delete the evaluations of models that are not compared any more."""
    for name in run.files.sizes(FOLDER):
        if name not in used and name.endswith(".npz"):
            run.files.delete(name)
