"""Whether a trial can be built: its model, data, evaluation, optimizer and hooks, part by part.

The network has no weights here and sees the shape of one image; the pipelines see one image each.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from tid_tune.errors import ConfigError
from tid_tune.openmmlab.setup import quiet
from tid_tune.preflight.findings import Finding, error
from tid_tune.preflight.plan import Plan

if TYPE_CHECKING:
    from tid_tune.preflight.parts import Parts
    from tid_tune.searchfile.model import SearchSpec

VARIANTS, SECONDS = 20, 8.0
"""Values of a space that are tried at most, and for how long at most."""


def check_build(plan: Plan) -> list[Finding]:
    """Report the parts of the config that cannot be built or used, and values of the space."""
    # Here, not above: they import mmdet.
    from tid_tune.preflight.small_files import with_small_files
    from tid_tune.trial.assembly import NEEDED
    from tid_tune.trial.process import ProcessState

    missing = [name for name in NEEDED if not plan.config.get(name)]
    absent = [error(f"the config has no `{name}`; add it", name) for name in missing]
    before = ProcessState()
    try:
        with quiet(), with_small_files(copy.deepcopy(plan.config)) as config:
            return [*absent, *_findings(plan, config)]
    finally:
        before.restore()


def _findings(plan: Plan, config: object) -> Iterator[Finding]:
    from tid_tune.openmmlab.configs import Config
    from tid_tune.preflight.parts import LOADERS, Parts
    from tid_tune.trial.schedule import config_length

    assert isinstance(config, Config)
    parts = Parts(
        config,
        gpus=_has_gpus(plan),
        unread=[name for name in LOADERS if _is_unreadable(plan, name)],
        without_teacher=plan.has_fault("model.teacher", "model.distillation"),
    )
    if config.get("train_cfg"):
        try:
            config_length(config.train_cfg)
        except ConfigError as failure:
            parts.findings.append(error(f"{failure}", "train_cfg"))
    for name in ("model", *LOADERS, "val_evaluator", "optim_wrapper"):
        if config.get(name):
            parts.try_part(name)
    parts.try_hooks()
    parts.try_maps()
    yield from parts.findings
    if plan.spec is not None:
        yield from _of_variants(plan, plan.spec, parts)


def _of_variants(plan: Plan, spec: SearchSpec, parts: Parts) -> Iterator[Finding]:
    """Yield the values of a space that cannot be built into parts that are right otherwise."""
    from tid_tune.preflight.parts import Parts
    from tid_tune.preflight.variants import variants

    ends = time.monotonic() + SECONDS
    for variant in islice(variants(parts.config, spec), VARIANTS):
        if time.monotonic() > ends:
            return
        if plan.has_fault(variant.part) or parts.has_finding(variant.part):
            continue
        other = Parts(variant.config, variant.label, gpus=_has_gpus(plan))
        other.share(parts)
        other.try_part(variant.part)
        if variant.part in ("model", "data_preprocessor", "train_dataloader"):
            other.try_maps()
        yield from other.findings


def _has_gpus(plan: Plan) -> bool:
    return plan.spec is not None and plan.spec.resources.gpus > 0


def _is_unreadable(plan: Plan, loader: str) -> bool:
    """Return whether something is known to be wrong with the files of a dataloader."""
    files = (".ann_file", ".data_prefix", ".data_root")
    return any(place.startswith(f"{loader}.") and place.endswith(files) for place in plan.faulty)
