"""Hooks of mmdet and mmengine do to a Distiller's student what they do to a plain student."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mmengine.hooks
import pytest
from mmengine.hooks import Hook

from tid_tune.errors import ConfigError
from tid_tune.openmmlab.registries import MODELS
from tid_tune.openmmlab.setup import mmdet_ready
from tid_tune.preflight.build import check_build
from tid_tune.preflight.plan import Plan
from tid_tune.searchfile.model import Interval
from tid_tune.trial.hooks import refuse_harmful
from tid_tune.trial.trial import Trial

with mmdet_ready():
    import mmdet.engine.hooks
    from mmdet.models import GFL

DISTILLER = """
model = dict(
    type='Distiller', student=_detector, distillation=dict(method='mimic', warmup_iters=0),
    teacher=dict(model=_detector, checkpoint=None))
custom_imports = dict(imports=['tid_tune.distill.distiller'], allow_failed_imports=False)
"""
MIX = """
train_dataloader['dataset'] = dict(
    type='MultiImageMixDataset', pipeline=[
        dict(type='Mosaic', img_scale=(32, 32)), dict(type='Resize', scale=(64, 64)),
        dict(type='PackDetInputs')],
    dataset=dict(train_dataloader['dataset'], pipeline=_train[:2]))
"""
LATER = "_later = [dict(_train[0]), *_train[1:3], dict(type='RandomFlip', prob=1.0), _train[4]]\n"
_EPOCH = "dict(type='PipelineSwitchHook', switch_epoch=1, switch_pipeline=_later)"
HOOKS = {
    "CheckInvalidLossHook": "dict(type='CheckInvalidLossHook', interval=1)",
    "EarlyStoppingHook": "dict(type='EarlyStoppingHook', monitor='coco/bbox_mAP', patience=1)",
    "EMAHook": "dict(type='EMAHook', ema_type='ExpMomentumEMA', update_buffers=True)",
    "EmptyCacheHook": "dict(type='EmptyCacheHook', after_iter=True)",
    "NumClassCheckHook": "dict(type='NumClassCheckHook')",
    "PipelineSwitchHook": _EPOCH,
    "SetEpochInfoHook": "dict(type='SetEpochInfoHook')",
    "SyncBuffersHook": "dict(type='SyncBuffersHook')",
    "SyncNormHook": "dict(type='SyncNormHook')",
    "YOLOXModeSwitchHook": "dict(type='YOLOXModeSwitchHook', num_last_epochs=1)",
}
"""A hook's config; each is tried in two epochs."""
OF_TRIALS = {"DistSamplerSeedHook", "ParamSchedulerHook", "RuntimeInfoHook"}
"""In every trial, and so in every other test."""
DROPPED = {
    "CheckpointHook", "DetVisualizationHook", "GroundingVisualizationHook", "IterTimerHook",
    "LoggerHook", "NaiveVisualizationHook", "TrackVisualizationHook",
    "TrainAugmentDetVisualizationHook",
}  # fmt: skip
REFUSED = {"MeanTeacherHook"}
NOT_OF_MODELS = {"Hook", "MemoryProfilerHook", "NPUProfilerHook", "PrepareTTAHook", "ProfilerHook"}
"""They look at no model, or are for tests with augmentation."""


@MODELS.register_module()
class CountingGFL(GFL):  # type: ignore[misc]  # mmdet is untyped
    """A detector that wants to be told the epoch."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.epochs: list[int] = []

    def set_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)


def train(config: Path, work_dir: Path) -> Trial:
    trial = Trial(
        config, {}, seed=0, epochs=2, report_every=Interval(), work_dir=work_dir, device="cpu"
    )
    while not trial.done:
        trial.step()
    return trial


def seen(trial: Trial) -> dict[str, Any]:
    """What the hooks above change; of a Distiller, reached as a hook reaches it."""
    model: Any = trial.model
    hooks = [hook for hook in trial.runner.hooks if type(hook).__name__ in HOOKS]
    pipeline = trial.runner.train_dataloader.dataset.pipeline
    steps = getattr(pipeline, "transforms", pipeline)
    return {
        "hooks": [type(hook).__name__ for hook in hooks],
        "epochs": model.epochs,
        "use_l1": getattr(model.bbox_head, "use_l1", None),
        "skipped": getattr(trial.runner.train_dataloader.dataset, "_skip_type_keys", None),
        "pipeline": [str(step) for step in steps],
        "averaged": [type(hook.ema_model.module).__name__ for hook in hooks if "EMA" in str(hook)],
        "iterations": trial.runner.iter,
    }


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_does_to_a_student_what_it_does_without_a_teacher(
    name: str, shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    text = "_detector['type'] = 'CountingGFL'\n" + LATER + f"custom_hooks = [{HOOKS[name]}]\n"
    text += MIX if name == "YOLOXModeSwitchHook" else ""
    found = {}
    for kind, more in {"plain": "", "distilled": DISTILLER}.items():
        config = shapes_config(text + more, name=f"{kind}.py")
        assert [one.text for one in check_build(Plan.of_config(config))] == []
        with train(config, tmp_path / kind) as trial:
            found[kind] = seen(trial)
    averaged = {kind: values.pop("averaged") for kind, values in found.items()}
    assert found["plain"] == found["distilled"]
    assert found["plain"]["hooks"] == [name]
    if name == "SetEpochInfoHook":
        assert found["distilled"]["epochs"] == [0, 1]
    if name == "YOLOXModeSwitchHook":
        assert found["distilled"]["use_l1"] is True
        assert found["distilled"]["skipped"]
    if name == "EMAHook":
        assert averaged == {"plain": ["CountingGFL"], "distilled": ["Distiller"]}


def test_every_hook_is_tried_dropped_or_refused() -> None:
    """A new version's hooks are looked at before they are allowed."""
    known = {*HOOKS, *OF_TRIALS, *DROPPED, *REFUSED, *NOT_OF_MODELS}
    for package in (mmdet.engine.hooks, mmengine.hooks):
        hooks = {
            name
            for name, found in vars(package).items()
            if isinstance(found, type) and issubclass(found, Hook)
        }
        assert hooks <= known, hooks - known


@pytest.mark.parametrize("scope", ["", "mmdet."])
def test_a_hook_that_changes_the_teacher_is_refused(
    scope: str, shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    hooks = f"custom_hooks = [dict(type='{scope}MeanTeacherHook')]\n"
    config = shapes_config(DISTILLER + hooks)
    (found,) = check_build(Plan.of_config(config))
    assert "custom_hooks.0" in found.text
    assert "MeanTeacherHook" in found.text
    assert "EMAHook" in found.text
    with pytest.raises(ConfigError, match="MeanTeacherHook"):
        train(config, tmp_path / "refused")
    refuse_harmful({"type": "GFL"}, {"type": "MeanTeacherHook"})
