"""Write the best student of a search into the `best/` of its run folder."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from tid_tune.errors import ConfigError
from tid_tune.export.origin import README, Origin, is_written, origin_of
from tid_tune.files import replacing
from tid_tune.ledger.records import Trial
from tid_tune.ledger.state import RunState
from tid_tune.openmmlab.configs import Config, load_config
from tid_tune.results.run_folder import BEST, RunFolder
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.source import DEFAULT_TRAINABLE


def write_best(state: RunState, spec: SearchSpec, run: RunFolder, winner: Trial) -> None:
    """Write the student of `winner`, unless it is there, or its weights are not kept.

    A trainable of the user's own may save anything: what holds no model's weights is copied.

    Raises:
        ConfigError: the config or the checkpoint cannot be used.
        OSError: a file cannot be written.
        StoreError: the store of the run folder does not answer.
    """
    source, origin = run.checkpoint(winner), origin_of(state, spec, winner)
    if source is None or is_written(run, origin):
        return
    _write(source, origin, spec, run, winner)
    # The README comes last: with it, the rest is there.
    names = sorted(path.name for path in run.best.iterdir() if path.name != README)
    for name in (*names, README):
        run.files.keep(f"{BEST}/{name}")
    run.files.forget(source.parent.relative_to(run.path).as_posix(), source.name)


def _write(source: Path, origin: Origin, spec: SearchSpec, run: RunFolder, winner: Trial) -> None:
    config = load_config(spec.trial, winner.edits, imports=False)
    own = spec.trainable != DEFAULT_TRAINABLE
    if own and not zipfile.is_zipfile(source):  # the form of torch.save
        _copy(config, source, run.best)
        return
    # Here, not above: they import torch.
    from tid_tune.export.folder import write_student
    from tid_tune.openmmlab.checkpoints import load_state

    try:
        write_student(config, load_state(source), run.best, origin=origin)
    except ConfigError:
        if not own:
            raise
        _copy(config, source, run.best)


def _copy(config: Config, source: Path, best: Path) -> None:
    """Put checkpoint and resolved config into `best` as they are."""
    with replacing(best / "checkpoint.pth") as partial:
        shutil.copyfile(source, partial)
    with replacing(best / "config.py") as partial:
        config.dump(partial)
