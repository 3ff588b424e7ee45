"""All checks of a search space against the mmdet config its trials are made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tid_tune.distill.model_config import (
    NAME,
    PRECISION_PATH,
    is_distiller,
    student_config,
    teacher_precision,
)
from tid_tune.distill.registry import methods_without_teacher
from tid_tune.errors import ConfigError, nearest
from tid_tune.searchfile.checks.cache import check_cache, check_own_cache
from tid_tune.searchfile.checks.code import check_no_code
from tid_tune.searchfile.checks.data import check_data, check_teacher, leaf_datasets
from tid_tune.searchfile.checks.detectors import (
    dataset_classes,
    detector_facts,
    incomparable,
    number_fault,
    two_stage,
)
from tid_tune.searchfile.checks.methods import (
    check_configured,
    check_distillation,
    methods_in_effect,
)
from tid_tune.searchfile.config import DISTILLATION, check_paths
from tid_tune.searchfile.merge import shown_path
from tid_tune.searchfile.problems import Fault, Problems, Where
from tid_tune.searchfile.tree import Node
from tid_tune.space import Distribution

if TYPE_CHECKING:
    from tid_tune.openmmlab.configs import Config

Space = dict[str, Distribution]


def check_against_config(
    config: Config,
    space: Space,
    methods: tuple[str, ...],
    tree: Node,
    check_files: bool,
    problems: Problems,
) -> Space:
    """Return the space with the conditions that its methods imply; note what does not fit.

    Fixed parameters are set in `config`, as every trial has them.
    """
    if not isinstance(config.get("model"), Mapping):
        where = tree.entries["trial"].where
        problems.add(where, "trial", "the config has no model; name an mmdet config")
        return space
    faults = Faults(config, tree, problems)
    faults.note(read_misspelled(config))
    check_paths(config, space, tree.entries.get("space", tree), problems)
    check_no_code(space, tree.entries.get("space", tree), problems)
    _set_fixed(config, space)
    model = config["model"]
    check_cache(config, tree, problems)
    faults.note(check_own_cache(config))
    if check_files:
        faults.note(check_data(config))
    distills = is_distiller(model)
    student = student_config(model)
    faults.note(_check_classes(config, student))
    if not distills:
        _refuse_distillation(model, space, tree, problems)
        return space
    distillation = model.get("distillation") or {}
    # What the space sets is reported with the parameter.
    own = {key: v for key, v in distillation.items() if f"{DISTILLATION}.{key}" not in space}
    faults.note(check_configured(own))
    effective = methods_in_effect(methods, space, distillation.get("method", "tid"))
    if not effective or set(effective) - set(methods_without_teacher()):
        faults.note(_check_teacher(model, student, check_files))
        if PRECISION_PATH not in space:
            faults.note(_check_precision(model.get("teacher")))
    return check_distillation(space, effective, tree.entries.get("space", tree), problems)


class Faults:
    """Notes what is wrong in a config, at the line of the file that sets it.

    Args:
        config: of the trials.
        tree: the search space, whose fixed parameters are set in the config.
        problems: what is wrong is added here.
    """

    def __init__(self, config: Config, tree: Node, problems: Problems) -> None:
        self._config, self._tree, self._problems = config, tree, problems

    def note(self, faults: Iterable[Fault]) -> None:
        """Add faults of the config."""
        for fault in faults:
            self._problems.places.add(fault.place)
            self._problems.add(*self._where(fault.place), fault.text)

    def _where(self, place: str) -> tuple[Where, str]:
        """Return the line that sets a value, and the key of a search space there."""
        from tid_tune.openmmlab.config_lines import line_of

        space = self._tree.entries.get("space")
        for path, node in {} if space is None else space.entries.items():
            if f"{place}.".startswith(f"{path}."):
                return node.where, f"space.{path}"
        line = line_of(self._config.filename, place)
        if line is None:
            return self._tree.entries["trial"].where, "trial"
        return Where(shown_path(line.file), line.number), ""


def read_misspelled(config: Config) -> Iterator[Fault]:
    """Yield a misspelled `Distiller` as the model's type, and correct it for further checks."""
    model = config["model"]
    kind = str(model.get("type"))
    if not is_distiller(model) and "student" in model and nearest(kind, [NAME]):
        yield Fault("model.type", f"model.type {kind!r} is not known; did you mean {NAME!r}?")
        model["type"] = NAME


def _set_fixed(config: Config, space: Space) -> None:
    from tid_tune.openmmlab.configs import set_value

    for path, distribution in space.items():
        if distribution.is_fixed and not distribution.when:
            try:
                set_value(config, path, distribution.value_at(0))
            except ConfigError:
                continue  # noted with the parameter: the path does not exist


def _refuse_distillation(
    model: Mapping[str, object],
    space: Space,
    tree: Node,
    problems: Problems,
) -> None:
    entries = tree.entries
    asked = [
        (f"space.{path}", entries["space"].entries.get(path, entries["space"]).where)
        for path in space
        if path.startswith(f"{DISTILLATION}.") and path in entries["space"].entries
    ]
    if "method" in entries:
        asked.append(("method", entries["method"].where))
    if "baseline" in entries and entries["baseline"].value is True:
        asked.append(("baseline", entries["baseline"].where))
    if asked:
        path, where = asked[0]
        problems.add(
            where,
            path,
            f"the config's model is a plain {model.get('type')}, so there is nothing to distill; "
            "set `trial` to a config whose model is a Distiller",
        )


def _check_classes(config: Config, student: object) -> Iterator[Fault]:
    if not isinstance(student, Mapping):
        return
    place, top = (
        "train_dataloader.dataset",
        "model.student" if is_distiller(config.model) else "model",
    )
    for dataset in leaf_datasets(config.get("train_dataloader")):
        text = number_fault(detector_facts(student).classes, place, dataset_classes(dataset))
        if text is not None:
            yield Fault(f"{top}.bbox_head.num_classes", text)


def _check_teacher(
    model: Mapping[str, object], student: object, check_files: bool
) -> Iterator[Fault]:
    teacher = model.get("teacher")
    if not isinstance(teacher, Mapping):
        yield Fault("model", "the Distiller has no teacher; give model.teacher = dict(...)")
        return
    if check_files:
        yield from check_teacher(teacher)
    file, place = teacher.get("config"), "model.teacher.config"
    if not isinstance(file, str) or not Path(file).is_file():
        return
    from tid_tune.openmmlab.configs import load_config

    try:
        body = load_config(file, imports=False).get("model")
    except ConfigError as error:
        yield Fault(place, f"{error}; fix the teacher's config")
        return
    other = student_config(body) if isinstance(body, Mapping) else None
    if isinstance(other, Mapping) and isinstance(student, Mapping):
        stages = filter(None, (two_stage(other, "teacher"), two_stage(student, "student")))
        found = list(stages) or incomparable(detector_facts(other), detector_facts(student))
        yield from (Fault(place, text) for text in found)


def _check_precision(teacher: object) -> Iterator[Fault]:
    """Yield a precision in the config that no teacher has."""
    try:
        teacher_precision(teacher if isinstance(teacher, Mapping) else {})
    except ConfigError as error:
        yield Fault(PRECISION_PATH, f"{error}; fix the config")
