"""Whether this machine has what a worker asks for; a cluster may have it where this has not."""

from __future__ import annotations

import os
from collections.abc import Iterator

from tid_tune.errors import UsageError
from tid_tune.preflight.findings import Finding, note
from tid_tune.preflight.plan import Plan
from tid_tune.searchfile.model import Resources


def check_resources(plan: Plan) -> Iterator[Finding]:
    """Yield a note where this machine cannot run a worker and no cluster is named.

    Another says what a trainable of the user's needs for several ranks.
    """
    if plan.spec is None:
        return
    ranks = plan.spec.resources.ranks
    if ranks > 1 and not plan.detects:
        yield note(
            f"resources.ranks: {ranks}: `tid-tune run` refuses {plan.spec.trainable} unless the "
            "class has trains_ranks = True; without it, set resources.ranks to 1"
        )
    if os.environ.get("RAY_ADDRESS"):
        return
    text = _missing_here(plan.spec.resources)
    if text:
        yield note(
            f"{text}; `tid-tune run` needs --address HOST:PORT of a Ray cluster that has them"
        )


def require_here(resources: Resources) -> None:
    """Check that one worker fits on this machine, before Ray is started and anything recorded.

    Raises:
        UsageError: it does not.
    """
    text = _missing_here(resources)
    if text:
        raise UsageError(
            f"{text}. Lower them, for example with --set resources.gpus=0, or name a Ray cluster "
            "that has them with --address HOST:PORT"
        )


def _missing_here(resources: Resources) -> str:
    cpus = os.cpu_count() or 1
    gpus = _gpus() if resources.gpus else 0
    needs = resources.cpus * resources.ranks, resources.gpus * resources.ranks
    if needs[0] <= cpus and needs[1] <= gpus:
        return ""
    ranks = f" for its {resources.ranks} ranks" if resources.ranks > 1 else ""
    return (
        f"resources: a worker asks for {needs[0]:g} CPUs and {needs[1]:g} GPUs{ranks}; "
        f"this machine has {cpus} CPUs and {gpus} GPUs"
    )


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()
