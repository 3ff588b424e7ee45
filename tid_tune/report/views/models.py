"""The models that are looked at: any config with a checkpoint, or the ones that matter in a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from tid_tune.distill.model_config import is_distiller
from tid_tune.errors import UsageError
from tid_tune.export.runs import find_student
from tid_tune.export.student import build_student, student_weights
from tid_tune.files import digest
from tid_tune.ledger.records import Trial
from tid_tune.ledger.state import RunState
from tid_tune.openmmlab.addresses import locate
from tid_tune.openmmlab.configs import Config, load_config
from tid_tune.openmmlab.detector_types import Detector
from tid_tune.preflight.data import require_readable
from tid_tune.report.analysis.collect import Split, Watch, collect
from tid_tune.report.views.evaluated import Evaluated
from tid_tune.results.ranking import baseline_called
from tid_tune.results.run_folder import BEST, RunFolder, run_and_trial
from tid_tune.search.stages.plan import NONE
from tid_tune.words import counted

TEACHER = "teacher"


@dataclass(frozen=True)
class Model:
    """A detector to look at.

    Attributes:
        name: as it is shown.
        role: of the palette.
        config: its validation data are used.
        checkpoint: the file of its weights.
        is_teacher: the model is the teacher that `config` names.
        trial: of a run, whose student it is; empty for any other model.
        run: keeps files that were fetched from a store.
    """

    name: str
    role: str
    config: Config
    checkpoint: Path
    is_teacher: bool = False
    trial: str = ""
    run: RunFolder | None = None

    @classmethod
    def of(cls, config: Path | str, checkpoint: Path | str, name: str = "") -> Model:
        """Return the model of a config, of a Distiller's its student, with these weights.

        Raises:
            ConfigError: the config cannot be read.
            UsageError: there is no such checkpoint.
        """
        weights = Path(checkpoint)
        if not weights.is_file():
            raise UsageError(f"there is no checkpoint {weights}")
        loaded = load_config(Path(config))
        return cls(name or f"{Path(config).stem}, {weights.name}", "series1", loaded, weights)

    @property
    def key(self) -> str:
        """What its detections depend on, as text: weights, model and data."""
        parts = {name: self.config.get(name) for name in ("model", "val_dataloader")}
        text = json.dumps(parts, sort_keys=True, default=str)
        content = f"{digest(self.checkpoint)} {self.is_teacher} {text}"
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def epoch(self) -> float:
        """The last one of its trial; 0 for a model of no trial."""
        return 0.0 if self.run is None or not self.trial else self.run.trial(self.trial).epoch

    @property
    def batch(self) -> int:
        """Images that are evaluated at once."""
        return int((self.config.get("val_dataloader") or {}).get("batch_size", 1))

    def build(self, device: str = "auto") -> Detector:
        """Return the detector in evaluation mode.

        Raises:
            ConfigError: model and weights do not fit.
        """
        if not self.is_teacher:
            weights = student_weights(self.checkpoint)
            return build_student(self.config, weights, device=device, named=str(self.checkpoint))
        from tid_tune.device import pick_device
        from tid_tune.distill.teacher import load_teacher
        from tid_tune.openmmlab.setup import prepare, quiet

        prepare()
        with quiet():
            detector = load_teacher(self.config.model.teacher)
        return detector.to(pick_device(device)).eval()

    def evaluate(
        self,
        split: Split = "val",
        *,
        limit: int | None = None,
        device: str = "auto",
        watch: Watch = lambda done, total: None,
    ) -> Evaluated:
        """Run it on a split of its config, or on its first `limit` images.

        Raises:
            ConfigError: model, weights or config cannot be used.
            DataError: the data cannot be read.
        """
        require_readable(self.config, split)
        found = collect(self.build(device), self.config, split, limit, watch)
        return Evaluated(
            self.name, self.role, found.truth, found.detections, found.files, found.total
        )


def require_images(chosen: Sequence[str], known: Collection[str], where: str) -> Sequence[str]:
    """Return the ids of images that a user named.

    Raises:
        UsageError: one of them is not one of `known`.
    """
    missing = [name for name in chosen if name not in known]
    if missing:
        examples = ", ".join(islice(known, 3))
        raise UsageError(
            f"there is no image {missing[0]} {where}: {counted(len(known), 'image')}, whose ids "
            f"are such as {examples}"
        )
    return chosen


def models_of_run(run: RunFolder) -> list[Model]:
    """Return baseline, best and teacher of a run, as far as there are weights of them.

    The baseline is the training without distillation; without one, the method's defaults.

    Raises:
        UsageError: the run has no trial of full length, or no weights of the best one.
    """
    best = trial_model(run, BEST)
    found = [best]
    baseline = baseline_of(run.state)
    if baseline is not None and run.checkpoint(baseline) is not None:
        found.insert(0, trial_model(run, baseline.id))
    teacher = _teacher_of(best)
    return found if teacher is None else [*found, teacher]


def baseline_of(state: RunState) -> Trial | None:
    """Return the completed training without distillation, or with the method's defaults."""
    ended = [t for t in state.trials.values() if t.stage == "baseline" and t.full_length]
    return min(ended, key=lambda trial: trial.label != NONE, default=None)


def trial_model(run: RunFolder, name: str) -> Model:
    """Return a model of a run: a trial, `best`, `none`, `defaults` or `teacher`.

    Raises:
        UsageError: there is no such trial, or no weights of it.
    """
    if name == TEACHER:
        teacher = _teacher_of(trial_model(run, BEST))
        if teacher is None:
            raise UsageError(f"{run.place}: its best trial has no teacher")
        return teacher
    state = run.state
    labelled = baseline_called(state, name)
    found = find_student(run, name if labelled is None else labelled.id)
    trial = state.trials[found.origin.trial]
    role = BEST if name == BEST or trial == run.winner else "search"
    if trial.stage == "baseline":
        role = "none" if trial.label == NONE else "defaults"
    what = {"none": "no distillation", BEST: "best", "search": "trial"}.get(role, trial.label)
    config = load_config(run.spec.trial, trial.edits)
    return Model(f"{what} ({trial.id})", role, config, found.checkpoint, trial=trial.id, run=run)


def _teacher_of(model: Model) -> Model | None:
    """Return the teacher that a trial learns from, unless it has random weights."""
    settings: Any = model.config.get("model") or {}
    source = settings.get("teacher") if is_distiller(settings) else None
    if not source or not source.get("checkpoint"):
        return None
    weights = locate(source["checkpoint"]).path
    if not weights.is_file():
        return None
    return replace(model, name=TEACHER, role=TEACHER, checkpoint=weights, is_teacher=True, trial="")


def named_models(texts: list[str], open_run: Callable[[str], RunFolder]) -> list[Model]:
    """Return the models that a command names.

    Each is `RUN`, `RUN:TRIAL` or `CONFIG,CHECKPOINT`, perhaps after `NAME=`. One `RUN` alone is its
    baseline, its best student and its teacher.

    Raises:
        UsageError: a text has another form, or there is no such file, run or trial.
    """
    if len(texts) == 1 and "," not in texts[0] and run_and_trial(texts[0]) == (texts[0], ""):
        return models_of_run(_run_alone(texts[0], open_run))
    roles = ("none", BEST, TEACHER, "defaults", "search", "series5")
    models = [replace(_named(t, open_run), role=roles[i % 6]) for i, t in enumerate(texts)]
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        models = [replace(m, name=f"{n}: {m.name}") for n, m in enumerate(models, start=1)]
    return models


def _run_alone(text: str, open_run: Callable[[str], RunFolder]) -> RunFolder:
    try:
        return open_run(text)
    except UsageError:
        if "=" not in text:
            raise
    raise UsageError(
        f"{text} is one model, with its name: compare needs two or more, or a run alone, without a "
        "name, whose baseline, best student and teacher are compared"
    )


def _named(text: str, open_run: Callable[[str], RunFolder]) -> Model:
    name, equals, rest = text.partition("=")
    name, what = (name, rest) if equals else ("", text)
    if "," in what:
        config, _, checkpoint = what.partition(",")
        return Model.of(config, checkpoint, name)
    place, trial = run_and_trial(what)
    model = trial_model(open_run(place), trial or BEST)
    return replace(model, name=name or f"{place.rstrip('/').rpartition('/')[2]}: {model.name}")
