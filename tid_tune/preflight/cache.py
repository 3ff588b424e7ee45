"""Whether the cache of the teacher's work will be used."""

from __future__ import annotations

from collections.abc import Iterator

from tid_tune.distill.cache.views import Endless
from tid_tune.distill.model_config import is_distiller
from tid_tune.preflight.findings import Finding, note
from tid_tune.preflight.plan import Plan
from tid_tune.trial.teacher_cache import dataset_views, preprocessor_of, require_known_preparation


def check_cache(plan: Plan) -> Iterator[Finding]:
    """Yield a note on a cache that will be off, with the reason.

    Whether the entries fit is known only when the data are read: the log of a trial says it.
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
        dataset_views(plan.config.train_dataloader["dataset"])
        require_known_preparation(preprocessor_of(plan.config))
    except Endless as reason:
        yield note(f"the teacher's cache is off: {reason}; the teacher is run at every step")
