"""What no trial would survive is found without a training, and named with its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tid_tune.openmmlab.configs import set_value
from tid_tune.preflight.build import check_build
from tid_tune.preflight.plan import Plan
from tid_tune.preflight.small_files import with_small_files
from tid_tune.preflight.variants import variants
from tid_tune.searchfile.model import Resources, SearchSpec
from tid_tune.space import Choice, Distribution, Integer, LogUniform, Uniform

Config = Callable[..., Path]
RESIZE = "train_dataloader.dataset.pipeline.2"


def texts(plan: Plan) -> list[str]:
    found = check_build(plan)
    assert all(finding.severity == "error" for finding in found)
    return [finding.text for finding in found]


def planned(config: Path, **edits: object) -> Plan:
    plan = Plan.of_config(config)
    for path, value in edits.items():
        set_value(plan.config, path, value)
    return plan


def searched(
    config: Path, space: Mapping[str, Distribution], gpus: float = 0, method: tuple[str, ...] = ()
) -> Plan:
    spec = SearchSpec(
        name="x",
        trial=config,
        epochs=1,
        space=dict(space),
        method=method,
        resources=Resources(gpus=gpus),
    )
    return Plan.of_search(spec)


def test_a_config_that_trains_has_no_findings(shapes_config: Config) -> None:
    assert texts(planned(shapes_config(flip=0.5))) == []


@pytest.mark.parametrize(
    ("path", "value", "place", "reason"),
    [
        ("model.backbone.depth", 19, "model.backbone", "19"),
        ("model.backbone.type", "ResNett", "model.backbone", "did you mean 'ResNet'"),
        ("model.neck.in_channels", [4, 9], "model", "channels"),
        ("model.bbox_head.loss_bbox", {"type": "GIoULoss", "x": 1}, "model.bbox_head.loss_bbox",
         "argument 'x'"),
        ("model.data_preprocessor.mean", [1.0, 2.0], "model.data_preprocessor", "mean"),
        (RESIZE, {"type": "Resize", "scale": "big"}, RESIZE, "sequence"),
        (RESIZE, {"type": "RandomCrop", "crop_size": (-5, 4)}, RESIZE, "crop_size"),
        (f"{RESIZE}", {"type": "Rotat"}, RESIZE, "did you mean 'Rotate'"),
        ("val_dataloader.dataset.pipeline.0",
         {"type": "LoadImageFromFile", "imdecode_backend": "x"},
         "val_dataloader.dataset.pipeline.0", "backend"),
        ("train_dataloader.dataset.type", "CocoDatase", "train_dataloader.dataset", "CocoDataset"),
        ("train_dataloader.batch_size", "two", "train_dataloader", "batch_size"),
        ("train_dataloader.sampler", {"type": "DefaultSampler", "y": 1},
         "train_dataloader.sampler", "'y'"),
        ("val_evaluator.metric", "bboxes", "val_evaluator", "bbox"),
        ("optim_wrapper.optimizer.lr", -1.0, "optim_wrapper.optimizer", "learning rate"),
        ("optim_wrapper.optimizer.type", "Adamm", "optim_wrapper.optimizer", "did you mean 'Adam'"),
        ("param_scheduler.1", {"type": "MultiStepLR"}, "param_scheduler.1", "milestones"),
        ("train_cfg.max_epochs", 0, "train_cfg.max_epochs", "above 0"),
        ("train_cfg", None, "train_cfg", "add it"),
    ],
)  # fmt: skip
def test_a_part_that_cannot_be_built_is_named_with_the_reason(
    path: str, value: object, place: str, reason: str, shapes_config: Config
) -> None:
    found = texts(planned(shapes_config(), **{path: value}))
    assert len(found) == 1, found
    assert f"`{place}`" in found[0] or f"{place} is" in found[0]
    assert reason.lower() in found[0].lower()
    assert "\n" not in found[0]


def test_a_hook_that_cannot_be_built_is_named(shapes_config: Config) -> None:
    hooks = "custom_hooks = [dict(type='EMAHook', priority=9), dict(type='EmptyCacheHook', x=1)]\n"
    (found,) = texts(planned(shapes_config(hooks)))
    assert "`custom_hooks.1`" in found
    assert "'x'" in found


def test_an_image_that_the_evaluator_cannot_use_is_reported(shapes_config: Config) -> None:
    last = {"type": "PackDetInputs", "meta_keys": ["img_path"]}
    (found,) = texts(planned(shapes_config(), **{"val_dataloader.dataset.pipeline.4": last}))
    assert "`val_evaluator`" in found
    assert "img_id" in found


@pytest.mark.parametrize(
    ("path", "distribution", "wrong"),
    [
        (f"{RESIZE}.scale", Choice(values=([64, 64], [32, 32])), None),
        (f"{RESIZE}.scale", Choice(values=([64, 64], "large")), "'large'"),
        ("model.backbone.depth", Choice(values=(18, 19)), "19"),
        ("model.bbox_head.stacked_convs", Integer(low=1, high=3), None),
        ("model.bbox_head.stacked_convs", Uniform(low=1, high=3), "1.0"),
        ("model.neck.out_channels", Choice(values=(8, 16)), "16"),
        ("optim_wrapper.optimizer.type", Choice(values=("SGD", "SGDD")), "'SGDD'"),
        ("optim_wrapper.optimizer.lr", LogUniform(low=0.001, high=0.1), None),
        ("param_scheduler.1.milestones", Choice(values=([1], [2, 3])), None),
    ],
)  # fmt: skip
def test_values_of_a_space_that_cannot_be_built_are_named(
    path: str, distribution: Distribution, wrong: str | None, shapes_config: Config
) -> None:
    found = texts(searched(shapes_config(), {path: distribution}))
    if wrong is None:
        assert found == []
    else:
        assert found[0].startswith(f"with {path} = {wrong}: ")


def test_a_value_is_tried_where_its_condition_holds(shapes_config: Config) -> None:
    method, depth = "model.backbone.norm_eval", "model.backbone.depth"
    space: dict[str, Distribution] = {
        method: Choice(values=(False, True)),
        depth: Integer(low=18, high=34, when={method: (True,)}),
    }
    plan = searched(shapes_config(), space)
    assert plan.spec is not None
    tried = [one.config.model.backbone for one in variants(plan.config, plan.spec)]
    assert [(part.norm_eval, part.depth) for part in tried] == [
        (False, 18), (True, 18), (True, 18), (True, 34),
    ]  # fmt: skip


def test_mixed_precision_needs_no_gpu_here_if_trials_have_one(
    shapes_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    config = shapes_config("optim_wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic')\n")
    lr = {"optim_wrapper.optimizer.lr": LogUniform(low=0.001, high=0.1)}
    assert texts(searched(config, lr, gpus=1)) == []
    (found,) = texts(searched(config, lr))
    assert "`optim_wrapper`" in found


def test_a_large_annotation_file_is_replaced_by_one_of_its_images(
    shapes_config: Config, shapes_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tid_tune.preflight.small_files.LARGE", 100)
    plan = planned(shapes_config())
    assert texts(plan) == []
    whole = json.loads((shapes_data / "train.json").read_text())
    with with_small_files(plan.config) as config:
        small = json.loads(Path(config.train_dataloader.dataset.ann_file).read_text())
        assert Path(config.val_evaluator.ann_file).parent != shapes_data
    assert small["images"] == whole["images"][:1]
    assert small["categories"] == whole["categories"]
    assert len(small["annotations"]) == 1


def test_the_plan_and_the_process_stay_as_they_were(shapes_config: Config) -> None:
    import torch

    from tid_tune.openmmlab.named_objects import object_names

    plan = planned(shapes_config("custom_hooks = [dict(type='DetVisualizationHook')]\n"))
    text, names = plan.config.pretty_text, object_names()
    torch.manual_seed(3)
    drawn = torch.rand(2)
    torch.manual_seed(3)
    assert texts(plan) == []
    assert torch.equal(torch.rand(2), drawn)
    assert plan.config.pretty_text == text
    assert object_names() == names
