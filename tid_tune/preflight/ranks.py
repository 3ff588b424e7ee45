"""Whether the trials of a search can be trained in several ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tid_tune.distill.method import require_ranks
from tid_tune.distill.model_config import is_distiller, student_config
from tid_tune.distill.registry import METHODS, implementation_of
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.configs import Config
from tid_tune.openmmlab.data_parallel import require_sums
from tid_tune.openmmlab.registries import MODELS
from tid_tune.preflight.findings import Finding, error
from tid_tune.preflight.plan import Plan
from tid_tune.preflight.variants import variants
from tid_tune.searchfile.checks.methods import methods_in_effect
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space.space import METHOD_PATH


def check_ranks(plan: Plan) -> Iterator[Finding]:
    """Report heads and distillation methods whose losses do not add up over ranks."""
    spec = plan.spec
    if spec is None or spec.resources.ranks == 1:
        return
    found = list(_of_head(plan.config, ""))
    yield from found
    if not found:
        for variant in variants(plan.config, spec):
            if variant.part == "model":
                yield from _of_head(variant.config, variant.label)
    if is_distiller(plan.config.get("model")):
        for method in _methods(plan.config, spec):
            yield from _refusal(METHOD_PATH, "", _require_method, method)


def _of_head(config: Config, label: str) -> Iterator[Finding]:
    model = config.get("model")
    student = student_config(model) if isinstance(model, Mapping) else None
    if not isinstance(student, Mapping):
        return
    place = "model.student" if is_distiller(model) else "model"
    kind = _class_of(student)
    if "bbox_head" in student and "roi_head" not in student:
        place, kind = f"{place}.bbox_head", _class_of(student["bbox_head"])
    if kind is not None:  # else a name that is not known, which is reported
        yield from _refusal(place, label, require_sums, kind.__name__)


def _class_of(part: object) -> type | None:
    """Return what a part of a model is built as; a list of parts is one, too."""
    kind = part.get("type") if isinstance(part, Mapping) else type(part)
    found = MODELS.get(kind) if isinstance(kind, str) else kind
    return found if isinstance(found, type) else None


def _methods(config: Config, spec: SearchSpec) -> list[str]:
    """Return the methods that are trained, with that of the baseline."""
    configured = (config["model"].get("distillation") or {}).get("method", "tid")
    found = methods_in_effect(spec.method, spec.space, configured)
    own = (configured,) if spec.baseline and not spec.method else ()
    return list(dict.fromkeys((*found, *own)))


def _require_method(name: str) -> None:
    settings = METHODS.get(name)
    if settings.needs_teacher:
        require_ranks(name, implementation_of(settings))


def _refusal(place: str, label: str, check: Callable[[str], None], name: str) -> Iterator[Finding]:
    try:
        check(name)
    except ConfigError as problem:
        yield error(f"{label}{problem}", place)
