"""The trainable of every shipped search space: one distillation trial of an mmdet student."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tid_tune.cluster.trainable import TrialTrainable, WorkOrder

if TYPE_CHECKING:
    from tid_tune.trial.trial import Trial


class DistillationTrainable(TrialTrainable):
    """Runs `tid_tune.trial.trial.Trial` under Ray Tune."""

    def build(self, order: WorkOrder) -> Trial:
        """Build the trial from its config and check that the sampled values are in effect."""
        # Here, not above: the driver imports this module too, and has no use for torch and mmdet.
        from tid_tune.trial.trial import Trial

        trial = Trial(
            order.config,
            order.edits,
            seed=order.seed,
            epochs=order.epochs,
            report_every=order.report_every,
            work_dir=order.work_dir,
            restore_from=order.checkpoint,
            measure_teacher=order.measure_teacher,
        )
        trial.proof()
        return trial
