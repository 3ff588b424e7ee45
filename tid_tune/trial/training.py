"""Train one config to the end in a folder of its own: a teacher, or a student by itself.

The folder gets `config.py` (resolved), `checkpoint.pth` (weights under mmdet's own names, classes)
and `metrics.json`. `last.pth` is there while training is under way, to go on from.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol, TypedDict

from tid_tune.errors import ConfigError, UsageError
from tid_tune.files import replacing, write_text
from tid_tune.openmmlab.checkpoints import load_state, save_state
from tid_tune.openmmlab.configs import Config, load_config
from tid_tune.openmmlab.runner import Hook, Runner
from tid_tune.searchfile.model import Interval
from tid_tune.trial.report import TrialReport
from tid_tune.trial.schedule import config_length
from tid_tune.trial.trial import Trial

CHECKPOINT, METRICS, CONFIG, LAST = "checkpoint.pth", "metrics.json", "config.py", "last.pth"


class Epoch(TypedDict):
    """What `metrics.json` holds of an epoch."""

    epoch: float
    seconds: float
    metrics: dict[str, float]


@dataclass
class TrainingRecord:
    """What `metrics.json` holds; `metrics` and `seconds` are of the epochs so far."""

    config: str
    fingerprint: str
    epochs: int
    seed: int
    done: bool = False
    seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    history: list[Epoch] = field(default_factory=list)

    def add(self, report: TrialReport) -> None:
        """Append one epoch."""
        self.metrics = {k: v for k, v in report.metrics.items() if not k.startswith("train/")}
        self.seconds += report.seconds
        self.history.append(
            {"epoch": report.epoch, "seconds": report.seconds, "metrics": report.metrics}
        )

    def forget_after(self, epoch: float) -> None:
        """Drop epochs that were reported but whose weights were not saved any more."""
        self.history = [entry for entry in self.history if entry["epoch"] <= epoch]
        self.seconds = sum(entry["seconds"] for entry in self.history)


class Watcher(Protocol):
    """Follows a training; the command line draws it."""

    def iterated(self, done: int, total: int) -> None:
        """Take note that `done` of `total` iterations are over."""

    def reported(self, record: TrainingRecord, report: TrialReport) -> None:
        """Take note that an epoch has been trained and evaluated."""


class Unwatched:
    """Ignores everything."""

    def iterated(self, done: int, total: int) -> None:
        """Do nothing."""

    def reported(self, record: TrainingRecord, report: TrialReport) -> None:
        """Do nothing."""


class _Ticker(Hook):  # type: ignore[misc]  # mmengine is untyped
    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def after_train_iter(self, runner: Runner, *_: object, **__: object) -> None:
        self._watcher.iterated(runner.iter + 1, runner.max_iters)


def train(
    config: Path,
    work_dir: Path,
    *,
    epochs: int | None = None,
    seed: int = 0,
    fresh: bool = False,
    watcher: Watcher | None = None,
) -> tuple[TrainingRecord, bool]:
    """Train `config` in `work_dir`; return its record, and whether there was anything to do.

    A finished folder is left alone, an interrupted one goes on after its last epoch; `fresh` starts
    over. `epochs` None is the config's own length.

    Raises:
        UsageError: the folder holds another training.
        ConfigError: as `Trial`.
        TrialError: as `Trial`.
    """
    loaded = load_config(config)
    new = TrainingRecord(str(config), _fingerprint(loaded), epochs or own_epochs(loaded), seed)
    record = None if fresh else _existing(work_dir, new)
    if record is not None and record.done:
        return record, False
    last = work_dir / LAST
    work_dir.mkdir(parents=True, exist_ok=True)
    if record is None or not last.is_file():
        record = new
        _clear(work_dir)
    with replacing(work_dir / CONFIG) as partial:
        loaded.dump(partial)
    _run(config, work_dir, record, last if last.is_file() else None, watcher or Unwatched())
    return record, True


def _run(
    config: Path, work_dir: Path, record: TrainingRecord, last: Path | None, watcher: Watcher
) -> None:
    with Trial(
        config,
        {},
        seed=record.seed,
        epochs=record.epochs,
        report_every=Interval(),
        work_dir=work_dir,
        restore_from=last,
    ) as trial:
        trial.runner.register_hook(_Ticker(watcher))
        record.forget_after(trial.runner.epoch)
        while not trial.done:
            report = trial.step()
            record.add(report)
            _write(record, work_dir)
            trial.save(work_dir / LAST)
            watcher.reported(record, report)
    _finish(record, work_dir)


def _finish(record: TrainingRecord, work_dir: Path) -> None:
    """Keep the weights, drop what only a resumed training needs; `done` is written last."""
    state = load_state(work_dir / LAST)
    kept = {"meta": state["meta"], "state_dict": state["state_dict"]}
    save_state(kept, work_dir / CHECKPOINT)
    record.done = True
    _write(record, work_dir)
    (work_dir / LAST).unlink()


def _existing(work_dir: Path, new: TrainingRecord) -> TrainingRecord | None:
    path = work_dir / METRICS
    if not path.is_file():
        return None
    try:
        found = TrainingRecord(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path} is not readable ({error}); start over with --fresh") from error
    for name in ("fingerprint", "epochs", "seed"):
        if getattr(found, name) != getattr(new, name):
            what = "config" if name == "fingerprint" else name
            raise UsageError(
                f"{work_dir} holds another training: its {what} differs "
                f"({_text_of(found, what)}, now {_text_of(new, what)}). Give another --work-dir, "
                "or start over with --fresh."
            )
    if found.done and not (work_dir / CHECKPOINT).is_file():
        return None
    return found


def _text_of(record: TrainingRecord, name: str) -> str:
    if name == "config":
        return f"{record.config}, contents {record.fingerprint}"
    return str(getattr(record, name))


def own_epochs(config: Config) -> int:
    """Return the length of a config's training; an epoch counts as whole."""
    unit, length = config_length(config.get("train_cfg") or {})
    if unit != "epochs":
        raise ConfigError(
            f"{config.filename} gives its length in iterations; set the epochs with --epochs"
        )
    return int(length)


def _fingerprint(config: Config) -> str:
    """Return a short hash of the resolved config."""
    text = json.dumps(config.to_dict(), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _clear(work_dir: Path) -> None:
    for name in (METRICS, LAST, CHECKPOINT):
        (work_dir / name).unlink(missing_ok=True)


def _write(record: TrainingRecord, work_dir: Path) -> None:
    write_text(work_dir / METRICS, json.dumps(asdict(record), indent=1))
