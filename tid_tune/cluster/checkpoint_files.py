"""The checkpoint files of a run folder: deleted once nobody needs them, and within a quota."""

from __future__ import annotations

from pathlib import PurePosixPath

from tid_tune.cluster.saving import CHECKPOINTS
from tid_tune.console import explain
from tid_tune.results.disk import size_text
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.retention import Retention

GIB = 2**30


class CheckpointFiles:
    """Deletes what `Retention` releases. Create it before any worker writes.

    A trial that is begun anew on more data uses the same names again: so files of a killed driver
    that it had not recorded are deleted at once; their trials go on from the checkpoints before.

    Args:
        run: the folder of the search.
        retention: what is needed.
        gib: what all checkpoints together may take; None: no limit.
    """

    def __init__(self, run: RunFolder, retention: Retention, gib: float | None = None) -> None:
        self._run = run
        self._retention = retention
        self._limit = None if gib is None else gib * GIB
        self._sizes: dict[str, int] = {}
        self._total = 0
        self._full = False
        self.tidy()
        kept = retention.kept()
        for name in run.files.sizes("trials"):
            if name not in kept and PurePosixPath(name).match(f"trials/*/{CHECKPOINTS}"):
                run.files.delete(name)
        for checkpoint in kept:
            self.written(checkpoint)
        self.tidy()

    def written(self, checkpoint: str) -> None:
        """Count a file that a worker has written, if there is a quota."""
        if self._limit is None:
            return
        # A trial whose checkpoint is gone says so itself.
        size = self._run.files.size(checkpoint) or 0
        self._total += size - self._sizes.get(checkpoint, 0)
        self._sizes[checkpoint] = size

    def tidy(self) -> None:
        """Delete checkpoints that no resume, donor or result can ask for; keep to the quota."""
        for checkpoint in self._retention.drain():
            self._delete(checkpoint)
        while self._limit is not None and self._total > self._limit:
            spare = self._retention.give_up()
            if spare is None:
                self._warn(self._limit)
                return
            self._delete(spare)

    def _delete(self, checkpoint: str) -> None:
        self._run.files.delete(checkpoint)
        self._total -= self._sizes.pop(checkpoint, 0)

    def _warn(self, limit: float) -> None:
        """Report, once, that what is needed takes more than the quota."""
        if not self._full:
            self._full = True
            explain(
                f"warning: keep.gib is {limit / GIB:g}, but the checkpoints that running and "
                "paused trials, the best trial and the candidates of confirm need take "
                f"{size_text(self._total)}; none of them is deleted. Raise keep.gib, or run fewer "
                "trials at once (resources.concurrent)"
            )
