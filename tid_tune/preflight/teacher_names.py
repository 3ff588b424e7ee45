"""Which class each label is to the teacher, against what it is to the student."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tid_tune.data.table import Table
from tid_tune.distill.model_config import is_distiller
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.checkpoints import load_state
from tid_tune.openmmlab.configs import load_config
from tid_tune.preflight.findings import Finding, error, warning
from tid_tune.preflight.sources import Source, dataset_sources
from tid_tune.searchfile.checks.detectors import declared_classes

Read = Callable[[Source], Table | None]


def teacher_names(config: Mapping[str, object], student: Source, read: Read) -> Iterator[Finding]:
    """Yield how the classes of a Distiller's teacher differ from those of the student.

    The teacher's are those of its training data, if its config names a file that is there, as
    mmdet numbered them; else those that its checkpoint or its config names.

    Args:
        config: the config that is trained.
        student: the training data; its class names are in the order of the labels.
        read: returns what an annotation file holds.
    """
    model = config.get("model")
    teacher = model.get("teacher") if isinstance(model, Mapping) and is_distiller(model) else None
    if not isinstance(teacher, Mapping):
        return
    number, trained, claimed = _of_config(teacher, read)
    names = trained or _of_checkpoint(teacher.get("checkpoint")) or claimed
    # Names of another number are not those of this model: its data are just not configured.
    if names and (number is None or len(names) == number):
        yield from _differ(names, student)


def _differ(names: tuple[str, ...], student: Source) -> Iterator[Finding]:
    pairs = zip(names, student.classes, strict=False)
    label = next((index for index, (one, other) in enumerate(pairs) if one != other), None)
    if label is None:
        return
    text = (
        f"label {label} is {names[label]!r} to the teacher and {student.classes[label]!r} to the "
        f"student ({student.place}); they are compared by number"
    )
    moved = any(
        name in names and names.index(name) != index for index, name in enumerate(student.classes)
    )
    if moved:
        yield error(
            f"{text}; train the student on the teacher's classes in the teacher's order, "
            f"{names!r}, or a teacher on those of the student"
        )
    else:
        yield warning(f"{text}; go on if these are two names of one class")


def _of_config(
    teacher: Mapping[str, object], read: Read
) -> tuple[int | None, tuple[str, ...], tuple[str, ...]]:
    """Return the number of classes, the names of the training file, and those of the config."""
    file, body = teacher.get("config"), teacher.get("model")
    config: Mapping[str, object] = {"model": body}
    if isinstance(file, str) and Path(file).is_file():
        try:
            config = load_config(file)
        except ConfigError:
            return None, (), ()
    number = declared_classes(config.get("model"))
    for source in dataset_sources(config, "train"):
        if isinstance(source, Source):
            table = read(source) if source.form == "coco" else None
            found = table.classes if table is not None else ()
            trained = tuple(name for name in found if name in source.classes)
            return number, trained, source.classes
    return number, (), ()


def _of_checkpoint(file: object) -> tuple[str, ...]:
    """Return the class names that a checkpoint of mmdet 2 or 3 notes."""
    if not isinstance(file, str) or not Path(file).is_file():
        return ()
    try:
        meta = load_state(file).get("meta") or {}
    except ConfigError:
        return ()  # reported by the check of the weights
    data = meta.get("dataset_meta")
    found = data.get("classes") if isinstance(data, Mapping) else meta.get("CLASSES")
    return tuple(map(str, found)) if isinstance(found, list | tuple) else ()
