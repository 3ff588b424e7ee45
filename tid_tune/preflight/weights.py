"""The files of weights that a training starts from: whether they are here, and fit their models.

A teacher's checkpoint must fit exactly. Of `init_cfg` and `load_from`, what matches is loaded, as
in mmdet; none or few matching names are an error. Models are built on torch's meta device.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

from torch import nn

from tid_tune.distill.model_config import is_distiller, student_config
from tid_tune.distill.registry import methods_without_teacher
from tid_tune.distill.student_state import export_student_state, has_student
from tid_tune.distill.teacher import load_teacher
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.addresses import is_reachable, locate
from tid_tune.openmmlab.checkpoints import load_matching, load_weights
from tid_tune.openmmlab.loading import is_pretrained, load_first
from tid_tune.openmmlab.matching import Match, counted
from tid_tune.openmmlab.models import build_on_meta
from tid_tune.preflight.findings import Finding, error, note, warning
from tid_tune.preflight.plan import Plan
from tid_tune.searchfile.checks.methods import methods_in_effect

TEACHER = "model.teacher"
LOAD_FROM = "load_from"


def check_teacher_weights(plan: Plan) -> Iterator[Finding]:
    """Yield whether the teacher's checkpoint fits its config; its own `init_cfg` does not count."""
    source = _teacher(plan)
    if source is None:
        return
    place = f"{TEACHER}.checkpoint"
    for checkpoint in _values(plan, place, source.get("checkpoint")):
        if checkpoint is not None:
            here = yield from _presence(place, checkpoint, f"fix {place}")
            if not here:
                continue
        if _varied(plan, TEACHER, besides=place):
            continue
        try:
            detector = load_teacher({**source, "checkpoint": checkpoint}, build_on_meta)
        except ConfigError as problem:
            if not plan.has_fault(TEACHER):
                yield error(f"{TEACHER}: {problem}", place)
            continue
        if checkpoint is not None:
            count = len(counted(detector.state_dict()))
            yield note(f"{place}: {count} of {count} names of the teacher match {checkpoint}")


def check_first_weights(plan: Plan) -> Iterator[Finding]:
    """Yield whether the weights of `init_cfg`s and of `load_from` fit what they are loaded into."""
    model = plan.config.get("model")
    config = student_config(model) if isinstance(model, Mapping) else None
    if not isinstance(config, Mapping) or "type" not in config:
        return
    top = "model.student" if is_distiller(model) else "model"
    try:
        student = build_on_meta(config)
    except ConfigError as problem:
        if not plan.has_fault("model"):
            yield error(f"{top}: {problem}", top)
        return
    for name, module in student.named_modules():
        where = f"{top}.{name}" if name else top
        starts = getattr(module, "init_cfg", None) or []
        for start in starts if isinstance(starts, list) else [starts]:
            if is_pretrained(start):
                yield from _check_init_cfg(plan, where, module, start)
    yield from _check_load_from(plan, top, student)


def _check_init_cfg(
    plan: Plan, where: str, module: nn.Module, start: Mapping[str, Any]
) -> Iterator[Finding]:
    place = f"{where}.init_cfg"
    searched = f"{place}.checkpoint"

    def load(address: str) -> Match:
        return load_first(module, {**start, "checkpoint": address})

    for address in _values(plan, searched, start.get("checkpoint")):
        here = yield from _presence(
            place, address, f"set {place}=None to start from random weights"
        )
        if here and not _varied(plan, where, besides=searched):
            yield from _comparison(place, str(address), where, load)


def _check_load_from(plan: Plan, top: str, student: nn.Module) -> Iterator[Finding]:
    def load(address: str) -> Match:
        weights = load_weights(address)
        # Also for a plain detector: it takes the student of a distiller.
        if has_student(weights) and not has_student(student.state_dict()):
            weights = export_student_state(weights)
        return load_matching(student, weights, source=address)

    if plan.config.get("resume"):
        yield warning(
            "resume is not read: a training starts at epoch 0, from the weights of load_from. An "
            "interrupted one goes on by the same command"
        )
    for address in _values(plan, LOAD_FROM, plan.config.get(LOAD_FROM)):
        if address is not None:
            here = yield from _presence(LOAD_FROM, address, f"set {LOAD_FROM}=None")
            if here:
                yield from _comparison(LOAD_FROM, str(address), top, load)


def _comparison(
    place: str, address: str, target: str, load: Callable[[str], Match]
) -> Iterator[Finding]:
    try:
        match = load(address)
    except ConfigError as problem:
        yield error(f"{place}: {problem}", place)
        return
    text = f"{place}: {match.describe(address, target)}"
    yield warning(text) if match.kind == "part" else note(text)


def _presence(place: str, address: object, otherwise: str) -> Generator[Finding, None, bool]:
    """Yield what is to be said of a file that is not on this machine; return whether it is."""
    if not isinstance(address, str) or not address:
        yield error(f"{place} is {address!r}; expected the path or the address of a file", place)
        return False
    try:
        location = locate(address)
        location.check_here()
    except ConfigError as problem:
        yield error(f"{place}: {problem}; fix it, or {otherwise}", place)
        return False
    if location.is_here:
        return True
    if location.url is not None and is_reachable(location.url):
        yield note(
            f"{place}: {address} is not on this machine; the first trial downloads "
            f"{location.path.name} from {location.url} to {location.path}"
        )
    else:
        yield error(
            f"{place}: the weights {address} are not on this machine, and {location.url} cannot "
            f"be reached from here; {location.how_to_get}, or {otherwise}",
            place,
        )
    return False


def _teacher(plan: Plan) -> Mapping[str, Any] | None:
    """Return `model.teacher`, if a training of this plan needs it."""
    model = plan.config.get("model")
    source = model.get("teacher") if is_distiller(model) else None
    if not isinstance(source, Mapping):
        return None
    configured = (model.get("distillation") or {}).get("method", "tid")
    methods: tuple[str, ...] = (configured,)
    if plan.spec is not None:
        methods = methods_in_effect(plan.spec.method, plan.spec.space, configured)
    return source if set(methods) - set(methods_without_teacher()) else None


def _values(plan: Plan, path: str, configured: object) -> list[object]:
    """Return the values that trials have at a path: those of the search, or the config's."""
    searched = None if plan.spec is None else plan.spec.space.get(path)
    if searched is None or (searched.is_fixed and not searched.when):
        return [configured]
    return [searched.value_at(index) for index in range(searched.size or 0)]


def _varied(plan: Plan, place: str, *, besides: str) -> bool:
    """Return whether the search varies something else at, above or below a path of the config."""
    space = {} if plan.spec is None else plan.spec.space
    varied = [path for path, one in space.items() if one.when or not one.is_fixed]
    return any(
        path != besides
        and (f"{path}.".startswith(f"{place}.") or f"{place}.".startswith(f"{path}."))
        for path in varied
    )
