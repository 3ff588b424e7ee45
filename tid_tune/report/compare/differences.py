"""What differs between searches, and which of it forbids to rank their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tid_tune.report.compare.sources import UNKNOWN, digest, files_by_loader
from tid_tune.report.leaderboard import short_value
from tid_tune.report.page.study import Study
from tid_tune.searchfile.dump import distribution_fields, yaml_text


@dataclass(frozen=True)
class Difference:
    """Something that is not the same in all runs; `values` in the order of the runs.

    `forbids` says why values cannot be ranked in spite of it; empty: they can.
    """

    what: str
    values: tuple[str, ...]
    forbids: str = ""


def differences(studies: Sequence[Study]) -> list[Difference]:
    """Return what differs; first what forbids to rank, then what explains other results."""
    return [*_forbidding(studies), *_explaining(studies)]


def _forbidding(studies: Sequence[Study]) -> list[Difference]:
    goals = [f"{s.objective} ({s.spec.objectives[s.objective]})" for s in studies]
    lengths = [f"{s.spec.epochs} epochs" for s in studies]
    return [
        *_differing("objective", goals, "their objectives are different figures"),
        *_differing(
            "length of a trial", lengths, "values after longer and shorter trainings do not compare"
        ),
        *_data(studies, "val_dataloader", "validation data", "they are measured on other data"),
    ]


def _explaining(studies: Sequence[Study]) -> list[Difference]:
    hashes = [s.state.config_hash for s in studies]
    configs = [f"{s.spec.trial.name} {(s.state.config_hash or UNKNOWN)[:8]}" for s in studies]
    paths = list(dict.fromkeys(path for s in studies for path in s.spec.space))
    facts: list[tuple[str, Callable[[Study], str]]] = [
        ("method", _methods),
        ("sampler", lambda s: s.spec.sampler.type),
        ("scheduler", lambda s: s.spec.scheduler.type),
        ("trials at most", lambda s: str(s.spec.trials)),
        ("budget", lambda s: s.spec.budget.text or "no limit"),
        ("seed", lambda s: str(s.spec.seed)),
        ("confirmation", _confirmation),
        ("students of a worker", lambda s: str(s.spec.resources.students)),
        ("ranks", lambda s: str(s.spec.resources.ranks)),
        ("mode of the trials", _modes),
    ]
    found = _data(studies, "train_dataloader", "training data")
    if len(set(hashes)) > 1 or None in hashes:
        found += _differing("config of a trial", configs)
    for what, value in facts:
        found += _differing(what, [value(study) for study in studies])
    for path in paths:
        found += _differing(f"space: {path}", [_distribution(study, path) for study in studies])
    return found


def _differing(what: str, values: list[str], forbids: str = "") -> list[Difference]:
    return [Difference(what, tuple(values), forbids)] if len(set(values)) > 1 else []


def _data(studies: Sequence[Study], loader: str, what: str, forbids: str = "") -> list[Difference]:
    """Compare annotation files by content; files of the same path are the same."""
    files = [files_by_loader(study).get(loader, []) for study in studies]
    hashes = {study.state.config_hash for study in studies}
    same_config = len(hashes) == 1 and None not in hashes
    if all(one == files[0] for one in files) and (files[0] or same_config):
        return []
    digests = [[digest(path) for path in one] or [UNKNOWN] for one in files]
    values = [
        ", ".join(f"{path.name} {known}" for path, known in zip(one, found, strict=False))
        or UNKNOWN
        for one, found in zip(files, digests, strict=True)
    ]
    if any(UNKNOWN in found for found in digests):
        note = forbids and "it is not known that they are measured on the same data"
        return [Difference(what, tuple(values), note)]
    return [] if all(one == digests[0] for one in digests) else _differing(what, values, forbids)


def _methods(study: Study) -> str:
    if study.spec.method:
        return ", ".join(study.spec.method)
    there, value = study.configured("model.distillation.method")
    return str(value) if there else UNKNOWN


def _confirmation(study: Study) -> str:
    confirm = study.spec.confirm
    return "none" if confirm is None else f"the best {confirm.top}, {confirm.seeds} seeds"


def _modes(study: Study) -> str:
    modes = dict.fromkeys(row.mode for row in study.rows if row.values and row.label != "none")
    return "; ".join(mode or "the default" for mode in modes) or "the default"


def _distribution(study: Study, path: str) -> str:
    found = study.spec.space.get(path)
    if found is None:
        there, value = study.configured(path)
        return f"{short_value(value)} (config)" if there else "not searched"
    return yaml_text(distribution_fields(found))
