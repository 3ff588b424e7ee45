"""The trainable of every shipped search space: one distillation trial of an mmdet student."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tid_tune.cluster.trainable import TrialTrainable, WorkOrder

if TYPE_CHECKING:
    from tid_tune.trial.pack import Pack
    from tid_tune.trial.trial import Trial


class DistillationTrainable(TrialTrainable):
    """Runs `tid_tune.trial.trial.Trial` under Ray Tune, side by side or in several ranks."""

    trains_packs = True
    trains_ranks = True

    def open_pack(self) -> Pack:
        """Return an empty pack."""
        from tid_tune.trial.pack import Pack

        return Pack()

    def build(self, order: WorkOrder) -> Trial:
        """Build the trial from its config and check that the sampled values are in effect."""
        # Here, not above: the driver imports this module too, and has no use for torch and mmdet.
        from tid_tune.distill.teacher import check_teacher
        from tid_tune.trial.process import use_assigned_threads
        from tid_tune.trial.trial import Trial

        use_assigned_threads()
        if order.check_teacher:
            check_teacher(order.config)
        trial = Trial(
            order.config,
            order.edits,
            seed=order.seed,
            epochs=order.epochs,
            report_every=order.report_every,
            work_dir=order.work_dir,
            restore_from=order.checkpoint,
            fraction=order.fraction,
            measure_teacher=order.measure_teacher,
            costs=order.costs,
            parts=order.parts,
            areas=order.areas,
        )
        trial.proof()
        return trial
