"""Whether teacher and student can be compared, as far as their config dicts show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tid_tune.distill.model_config import student_config

_CLASSES_OF_TYPE = {"CocoDataset": 80, "VOCDataset": 20}


@dataclass(frozen=True)
class Detector:
    """What a detector's dict says about its feature levels; None where it says nothing."""

    levels: int | None
    strides: tuple[int, ...] | None
    classes: int | None


def detector_facts(model: Mapping[str, object]) -> Detector:
    """Read levels, strides and classes from an mmdet detector dict."""
    heads = [_map(model.get("bbox_head")), _map(model.get("rpn_head"))]
    strides = None
    for head in heads:
        anchors = _map(head.get("anchor_generator")) or _map(head.get("prior_generator"))
        strides = strides or _strides(anchors.get("strides")) or _strides(head.get("strides"))
    box_head = heads[0] or _map(_map(model.get("roi_head")).get("bbox_head"))
    classes = box_head.get("num_classes")
    return Detector(_levels(model.get("neck")), strides, _int(classes))


def declared_classes(model: object) -> int | None:
    """Return the number of classes of a detector's dict, or of a Distiller's student."""
    student = student_config(model) if isinstance(model, Mapping) else None
    return detector_facts(student).classes if isinstance(student, Mapping) else None


def number_fault(number: int | None, place: str, classes: int | None) -> str | None:
    """Return that a student has another number of classes than the dataset at `place`, or None."""
    if number is None or classes is None or number == classes:
        return None
    return (
        f"the student has num_classes = {number}, but {place} has {classes} classes; fix "
        "bbox_head.num_classes or metainfo.classes"
    )


def two_stage(model: Mapping[str, object], role: str) -> str | None:
    """Return why a two-stage detector's dict cannot be the teacher or student, or None."""
    if not isinstance(model.get("roi_head"), Mapping):
        return None
    return (
        f"the {role}, a {model.get('type')}, is a two-stage detector, whose head is not supported; "
        "use a single-stage detector with a GFL, ATSS, RetinaNet or FCOS head"
    )


def incomparable(teacher: Detector, student: Detector) -> list[str]:
    """Return what keeps teacher and student from being compared level by level."""
    found = []
    for what, left, right in (
        ("feature levels (neck.num_outs)", teacher.levels, student.levels),
        ("strides", teacher.strides, student.strides),
        ("classes (num_classes)", teacher.classes, student.classes),
    ):
        if left is not None and right is not None and left != right:
            found.append(
                f"teacher and student differ in {what}: {_text(left)} and {_text(right)}; "
                "give both the same"
            )
    return found


def dataset_classes(dataset: Mapping[str, object]) -> int | None:
    """Return how many classes a dataset dict declares, by its metainfo or type, or None."""
    classes = _map(dataset.get("metainfo")).get("classes")
    if isinstance(classes, list | tuple):
        return len(classes)
    if classes is None:
        return _CLASSES_OF_TYPE.get(str(dataset.get("type")))
    return None


def _levels(neck: object) -> int | None:
    for part in reversed(neck if isinstance(neck, list | tuple) else [neck]):
        found = _int(_map(part).get("num_outs"))
        if found is not None:
            return found
    return None


def _strides(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, list | tuple):
        return None
    sides = [item[0] if isinstance(item, list | tuple) and item else item for item in value]
    return tuple(sides) if all(isinstance(side, int) for side in sides) else None


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _map(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text(value: int | tuple[int, ...]) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)
