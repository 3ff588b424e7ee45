"""All checks of a search space against the mmdet config its trials are made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tid_tune.distill.model_config import (
    PRECISION_PATH,
    is_distiller,
    student_config,
    teacher_precision,
)
from tid_tune.distill.registry import methods_without_teacher
from tid_tune.errors import ConfigError
from tid_tune.searchfile.checks.data import check_data, check_teacher, leaf_datasets
from tid_tune.searchfile.checks.detectors import (
    dataset_classes,
    detector_facts,
    incomparable,
    two_stage,
)
from tid_tune.searchfile.checks.methods import (
    check_configured,
    check_distillation,
    methods_in_effect,
)
from tid_tune.searchfile.config import DISTILLATION, check_paths, read_config
from tid_tune.searchfile.problems import Problems, Where
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
    where = tree.entries["trial"].where
    if not isinstance(config.get("model"), Mapping):
        problems.add(where, "trial", "the config has no model; name an mmdet config")
        return space
    check_paths(config, space, tree.entries.get("space", tree), problems)
    _set_fixed(config, space)
    model = config["model"]
    if check_files:
        check_data(config, where, problems)
    distills = is_distiller(model)
    student = student_config(model)
    _check_classes(config, student, where, problems)
    if not distills:
        _refuse_distillation(model, space, tree, problems)
        return space
    distillation = model.get("distillation") or {}
    # What the space sets is reported with the parameter.
    own = {key: v for key, v in distillation.items() if f"{DISTILLATION}.{key}" not in space}
    check_configured(own, where, problems)
    effective = methods_in_effect(methods, space, distillation.get("method", "tid"))
    if not effective or set(effective) - set(methods_without_teacher()):
        _check_teacher(model, student, check_files, where, problems)
        if PRECISION_PATH not in space:
            _check_precision(model.get("teacher"), where, problems)
    return check_distillation(space, effective, tree.entries.get("space", tree), problems)


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


def _check_classes(config: Config, student: object, where: Where, problems: Problems) -> None:
    if not isinstance(student, Mapping):
        return
    classes = detector_facts(student).classes
    for dataset in leaf_datasets(config.get("train_dataloader")):
        declared = dataset_classes(dataset)
        if classes is not None and declared is not None and declared != classes:
            problems.add(
                where,
                "trial",
                f"the student has num_classes = {classes}, but its training data has {declared} "
                "classes; fix bbox_head.num_classes or metainfo.classes",
            )


def _check_teacher(
    model: Mapping[str, object],
    student: object,
    check_files: bool,
    where: Where,
    problems: Problems,
) -> None:
    teacher = model.get("teacher")
    if not isinstance(teacher, Mapping):
        problems.add(where, "trial", "the Distiller has no teacher; give model.teacher = dict(...)")
        return
    before = len(problems)
    if check_files:
        check_teacher(teacher, where, problems)
    file = teacher.get("config")
    if not isinstance(file, str) or not Path(file).is_file() or len(problems) > before:
        return
    config = read_config(file, where, Path(file), problems)
    body = config.get("model") if config is not None else None
    if isinstance(body, Mapping) and isinstance(student, Mapping):
        other = student_config(body)
        if isinstance(other, Mapping):
            found = [two_stage(other, "teacher"), two_stage(student, "student")]
            if any(found):
                for text in filter(None, found):
                    problems.add(where, "trial", text)
                return
            for text in incomparable(detector_facts(other), detector_facts(student)):
                problems.add(where, "trial", text)


def _check_precision(teacher: object, where: Where, problems: Problems) -> None:
    """Note a precision in the config that no teacher has."""
    try:
        teacher_precision(teacher if isinstance(teacher, Mapping) else {})
    except ConfigError as error:
        problems.add(where, "trial", f"{error}; fix the config")
