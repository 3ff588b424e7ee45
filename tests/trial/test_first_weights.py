"""What a trial starts from: `load_from` of students and detectors, and files that hold code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.pickles import write_pickle

from tid_tune.errors import ConfigError
from tid_tune.openmmlab.checkpoints import load_weights, save_state
from tid_tune.openmmlab.configs import load_config
from tid_tune.openmmlab.models import build_detector
from tid_tune.preflight import Plan
from tid_tune.preflight.weights import check_first_weights
from tid_tune.searchfile.model import Interval
from tid_tune.trial.training import train
from tid_tune.trial.trial import Trial

DISTILLER = """
custom_imports = dict(imports=['tid_tune.distill.distiller'], allow_failed_imports=False)
model = dict(type='Distiller', student=_detector, distillation=dict(method='none'))
"""
EMA = "custom_hooks = [dict(type='EMAHook', momentum=0.1)]\n"


def build(config: Path, tmp_path: Path, params: dict[str, object] | None = None) -> Trial:
    return Trial(
        config,
        params or {},
        seed=0,
        epochs=1,
        report_every=Interval(),
        work_dir=tmp_path / "work",
        device="cpu",
    )


@pytest.fixture
def start(shapes_config: Callable[..., Path], tmp_path: Path) -> dict[str, torch.Tensor]:
    """Weights of a plain detector, also in plain.pth; in distilled.pth as a Distiller has them."""
    torch.manual_seed(7)
    weights = build_detector(load_config(shapes_config()).model).state_dict()
    save_state({"state_dict": weights}, tmp_path / "plain.pth")
    distilled = {f"student.{name}": value for name, value in weights.items()}
    save_state({"state_dict": {**distilled, "method.x": torch.ones(1)}}, tmp_path / "distilled.pth")
    return dict(weights)


@pytest.mark.parametrize("model", ["", DISTILLER, EMA, DISTILLER + EMA])
@pytest.mark.parametrize("file", ["plain.pth", "distilled.pth"])
def test_a_detector_starts_from_the_weights_of_either(
    model: str,
    file: str,
    start: dict[str, torch.Tensor],
    shapes_config: Callable[..., Path],
    tmp_path: Path,
) -> None:
    config = shapes_config(f"{model}\nload_from = '{tmp_path}/{file}'\n")
    with build(config, tmp_path) as trial:
        student = getattr(trial.model, "student", trial.model).state_dict()
        assert all(torch.equal(student[name], value) for name, value in start.items())
        averaged = [h.ema_model.module for h in trial.runner.hooks if hasattr(h, "ema_model")]
        for copy in averaged:
            found = getattr(copy, "student", copy).state_dict()
            assert all(torch.equal(found[name], value) for name, value in start.items())
        assert len(averaged) == model.count("EMAHook")
    assert f"of the model match {tmp_path}/{file}" in (tmp_path / "work/trial.log").read_text()


def test_weights_of_another_model_end_the_trial(
    start: dict[str, torch.Tensor], shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    save_state({"state_dict": {f"net.{k}": v for k, v in start.items()}}, tmp_path / "other.pth")
    config = shapes_config(f"load_from = '{tmp_path}/other.pth'\n")
    with pytest.raises(ConfigError, match=r"other\.pth does not fit the GFL: none of its"):
        build(config, tmp_path)


@pytest.mark.parametrize("model", ["", DISTILLER])
@pytest.mark.parametrize("place", ["load_from", "init_cfg"])
@pytest.mark.parametrize("command", ["train", "trial"])
def test_the_code_of_a_pickle_runs_neither_in_a_training_nor_in_a_trial(
    command: str,
    place: str,
    model: str,
    start: dict[str, torch.Tensor],
    shapes_config: Callable[..., Path],
    tmp_path: Path,
) -> None:
    backbone = {k.removeprefix("backbone."): v for k, v in start.items() if "backbone." in k}
    file, marker = write_pickle(tmp_path, start if place == "load_from" else backbone)
    first = f"_detector['backbone']['init_cfg'] = dict(type='Pretrained', checkpoint='{file}')\n"
    if place == "load_from":
        first = f"load_from = '{file}'\n"
    config = shapes_config(first + (model or "model = _detector\n"))
    start_it: dict[str, Callable[[], object]] = {
        "train": lambda: train(config, tmp_path / "work", epochs=1),
        "trial": lambda: build(config, tmp_path, {"optim_wrapper.optimizer.lr": 0.1}),
    }
    with pytest.raises(ConfigError, match=r"pickle\.pth cannot be loaded safely"):
        start_it[command]()
    assert not marker.exists()


def test_a_searched_file_is_loaded(
    start: dict[str, torch.Tensor], shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    config = shapes_config("load_from = None\n")
    with build(config, tmp_path, {"load_from": str(tmp_path / "plain.pth")}) as trial:
        first = load_weights(tmp_path / "plain.pth")["backbone.conv1.weight"]
        assert torch.equal(trial.model.state_dict()["backbone.conv1.weight"], first)
        assert trial.effective() == {"load_from": str(tmp_path / "plain.pth")}


SWIN = """
_detector['backbone'] = dict(
    type='SwinTransformer', embed_dims=4, depths=(1, 1), num_heads=(1, 1), strides=(4, 2),
    window_size=2, out_indices=(0, 1), convert_weights={convert},
    init_cfg=dict(type='Pretrained', checkpoint='{file}'))
_detector['neck']['in_channels'] = [4, 8]
model = _detector
"""


@pytest.mark.parametrize("convert", [True, False])
def test_a_backbone_that_loads_by_itself_refuses_weights_of_another(
    convert: bool, shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    file = tmp_path / "swin.pth"
    config = shapes_config(SWIN.format(file=file, convert=convert))
    model = load_config(config).model
    own = {f"backbone.{k}": v for k, v in build_detector(model).backbone.state_dict().items()}
    if not convert:
        save_state({"state_dict": own}, file)
        plan = Plan.of_config(config)
        assert [one.severity for one in check_first_weights(plan)] == ["note"]
        with build(config, tmp_path) as trial:
            name = "backbone.patch_embed.projection.weight"
            assert torch.equal(trial.model.state_dict()[name], own[name])
        assert "names of SwinTransformer match" in (tmp_path / "work/trial.log").read_text()
    other = {f"backbone.net.{k}": v for k, v in own.items() if "relative_position" not in k}
    save_state({"state_dict": other}, file)
    (found,) = check_first_weights(Plan.of_config(config))
    assert found.severity == "error"
    assert "swin.pth does not fit the SwinTransformer: none of its" in found.text
    with pytest.raises(ConfigError, match=r"swin\.pth does not fit the SwinTransformer: none"):
        build(config, tmp_path)
