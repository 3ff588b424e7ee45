"""Whether the cache of the teacher's work will be used."""

from __future__ import annotations

from collections.abc import Iterator

from tid_tune.console import shown_path
from tid_tune.distill.cache.settings import CacheSettings
from tid_tune.distill.cache.views import Endless
from tid_tune.distill.model_config import is_distiller
from tid_tune.preflight.findings import Finding, note
from tid_tune.preflight.plan import Plan
from tid_tune.trial.teacher_cache import dataset_views, preprocessor_of, require_known_preparation
from tid_tune.words import counted


def check_cache(plan: Plan) -> Iterator[Finding]:
    """Yield a note on the cache: its place and views, or why it will be off.

    Whether the entries fit is known only when the data are read.
    """
    model = plan.config.get("model")
    if not is_distiller(model):
        return
    of_config = (model.get("teacher") or {}).get("cache")
    if of_config is None and (plan.spec is None or plan.spec.cache is None):
        return
    if plan.has_fault("train_dataloader", "model"):
        return  # an error, which is reported
    try:
        views = dataset_views(plan.config.train_dataloader["dataset"])
        require_known_preparation(preprocessor_of(plan.config))
    except Endless as reason:
        yield note(f"the teacher's cache is off: {reason}; the teacher is run at every step")
        return
    of_search = None if plan.spec is None else plan.spec.cache
    source = plan.source if plan.spec is None else plan.spec.source or plan.source
    settings = of_search or CacheSettings.of_config(of_config)
    yield note(
        f"the teacher's cache in {settings.dir}: {counted(views, 'view')} of each image, at most "
        f"{settings.gib:g} GiB; `tid-tune cache build {shown_path(source)}` fills it ahead, and "
        "says whether all fit"
    )
