"""Whatever mmengine or mmdet loads comes through our door: no code runs, no mismatch is silent."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from mmengine.model.weight_init import PretrainedInit
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from support.pickles import write_pickle
from torch import nn

from tid_tune.errors import ConfigError
from tid_tune.openmmlab.checkpoints import load_weights, save_state
from tid_tune.openmmlab.loading import load_part
from tid_tune.openmmlab.registries import MODELS


class Net(BaseModule):  # type: ignore[misc]  # mmengine is untyped
    def __init__(self, init_cfg: dict[str, Any] | None = None, width: int = 4) -> None:
        super().__init__(init_cfg)
        self.first = nn.Linear(2, width)
        self.norm = nn.BatchNorm1d(width)
        self.last = nn.Linear(width, 3)


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    return dict(Net().state_dict())


def save(weights: dict[str, torch.Tensor], path: Path) -> str:
    save_state({"state_dict": weights}, path)
    return str(path)


@pytest.mark.parametrize("kind", ["Pretrained", PretrainedInit])
@pytest.mark.parametrize("prefix", [None, "backbone", "backbone."])
def test_init_cfg_loads_weights_as_mmengine_does(
    kind: object, prefix: str | None, weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    start = "backbone." if prefix else ""
    file = save({f"{start}{name}": value for name, value in weights.items()}, tmp_path / "a.pth")
    extra = {"prefix": prefix} if prefix else {}
    net = Net({"type": kind, "checkpoint": file, **extra})
    net.init_weights()
    assert all(torch.equal(value, weights[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("prefix", [None, "first"])
def test_the_code_of_a_pickle_in_init_cfg_does_not_run(
    prefix: str | None, weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    file, marker = write_pickle(tmp_path, weights)
    net = Net({"type": "Pretrained", "checkpoint": str(file), "prefix": prefix})
    with pytest.raises(ConfigError, match=r"pickle\.pth cannot be loaded safely"):
        net.init_weights()
    assert not marker.exists()


def test_no_loader_of_mmengine_runs_the_code_of_a_pickle(
    weights: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Local files, downloads and collections: backbones such as Swin read them by this class."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("MMENGINE_HOME", str(tmp_path))
    file, marker = write_pickle(tmp_path, weights)
    (tmp_path / "open_mmlab.json").write_text('{"mine": "pickle.pth"}')
    cache = tmp_path / "hub/checkpoints"
    cache.mkdir(parents=True)
    for name in ("net.pth", "resnet18-f37072fd.pth"):
        (cache / name).write_bytes(file.read_bytes())
    for address in (
        str(file),
        "https://example.org/net.pth",
        "torchvision://resnet18",
        "open-mmlab://mine",
    ):
        with pytest.raises(ConfigError, match="cannot be loaded safely"):
            CheckpointLoader.load_checkpoint(address)
        with pytest.raises(ConfigError, match="cannot be loaded safely"):
            load_checkpoint(Net(), address)
    assert not marker.exists()


def test_a_pickle_inside_an_old_zip_file_does_not_run_either(
    weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    file, marker = write_pickle(tmp_path, weights)
    torch.save(weights, tmp_path / "good.pth", _use_new_zipfile_serialization=False)
    for name in (file.name, "good.pth"):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.write(tmp_path / name, name)
    with pytest.raises(ConfigError, match="cannot be loaded safely"):
        load_part(Net(), f"{file}.zip")
    assert not marker.exists()
    assert load_part(Net(), str(tmp_path / "good.pth.zip")).kind == "all"


def test_a_teacher_of_mmdets_own_distiller_is_loaded_safely(tmp_path: Path) -> None:
    from tid_tune.testing.detectors import detector

    plain = detector("gfl")
    inner = MODELS.build(plain)
    good = save(inner.state_dict(), tmp_path / "good.pth")
    other = save({f"x.{k}": v for k, v in inner.state_dict().items()}, tmp_path / "other.pth")
    bad, marker = write_pickle(tmp_path, inner.state_dict())
    config = {
        **plain,
        "type": "KnowledgeDistillationSingleStageDetector",
        "teacher_config": {"model": plain},
    }
    built = MODELS.build({**config, "teacher_ckpt": good})
    loaded = built.teacher_model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in inner.state_dict().items())
    with pytest.raises(ConfigError, match="cannot be loaded safely"):
        MODELS.build({**config, "teacher_ckpt": str(bad)})
    assert not marker.exists()
    with pytest.raises(ConfigError, match=r"other\.pth does not fit the GFL.*x\.backbone"):
        MODELS.build({**config, "teacher_ckpt": other})


@pytest.mark.parametrize("rename", ["model.{}", "first_{}", "{}.deeper"])
def test_weights_of_other_names_are_refused_with_a_name_of_each(
    rename: str, weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    file = save({rename.format(name): v for name, v in weights.items()}, tmp_path / "a.pth")
    for load in (load_part, load_checkpoint):
        with pytest.raises(ConfigError) as caught:
            load(Net(), file)
        text = str(caught.value)
        assert "a.pth does not fit the Net: none of its 8 names match" in text
        assert "`first.weight`" in text
        assert f"`{rename.format('first.weight')}`" in text


def test_where_weights_are_below_a_name_the_prefix_is_proposed(
    weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    file = save({f"backbone.{name}": v for name, v in weights.items()}, tmp_path / "a.pth")
    with pytest.raises(ConfigError, match=r"set prefix='backbone\.' in init_cfg"):
        load_part(Net(), file)


def test_few_matching_names_are_as_good_as_none(
    weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    renamed = {f"old.{name}": v for name, v in weights.items() if name != "first.bias"}
    file = save({**renamed, "first.bias": weights["first.bias"]}, tmp_path / "a.pth")
    with pytest.raises(ConfigError, match="1 of its 8 names match"):
        load_part(Net(), file)


def test_weights_of_another_network_are_refused_by_their_shapes(tmp_path: Path) -> None:
    file = save(Net(width=5).state_dict(), tmp_path / "a.pth")
    with pytest.raises(
        ConfigError, match=r"7 of 8 names have other shapes.*\(5,\) instead of \(4,\)"
    ):
        load_part(Net(), file)


def test_other_classes_are_no_other_network(tmp_path: Path) -> None:
    """Weights of COCO's 80 classes are where many trainings start."""
    from tid_tune.testing.detectors import detector

    file = save(MODELS.build(detector("retinanet", classes=9)).state_dict(), tmp_path / "a.pth")
    match = load_part(MODELS.build(detector("retinanet")), file)
    assert match.kind == "most"
    assert set(match.misshapen) == {"bbox_head.retina_cls.weight", "bbox_head.retina_cls.bias"}
    text = match.describe("a.pth", "the model")
    assert "2 with other shapes, for example bbox_head.retina_cls.bias has the shape" in text


def test_a_part_of_a_model_may_have_weights(weights: dict[str, torch.Tensor]) -> None:
    from tid_tune.openmmlab.checkpoints import load_matching

    half = {name: value for name, value in weights.items() if name.startswith("first.")}
    match = load_matching(Net(), half, source="a.pth")
    assert (match.kind, match.matched) == ("part", 2)
    assert "2 of 8 names of the net match a.pth; 6 not in the file, for example" in (
        match.describe("a.pth", "the net")
    )


def test_a_missing_prefix_is_named_with_what_is_there(
    weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"under `backbone\.`; its names are such as `first"):
        load_part(Net(), save(weights, tmp_path / "a.pth"), "backbone")


def test_the_log_says_how_many_names_matched(
    weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    log = tmp_path / "log.txt"
    MMLogger.get_instance("test-of-loading", log_file=str(log))
    file = save(weights, tmp_path / "a.pth")
    Net({"type": "Pretrained", "checkpoint": file}).init_weights()
    load_checkpoint(Net(), file)
    assert log.read_text().count("8 of 8 names of Net match") == 2


def test_classifiers_of_mmcls_give_their_backbone(
    weights: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tid_tune.openmmlab.addresses import locate

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    held = {f"backbone.{name}": value for name, value in weights.items()}
    save({**held, "head.fc.weight": torch.ones(1)}, locate("mmcls://mobilenet_v2").path)
    assert load_weights("mmcls://mobilenet_v2").keys() == weights.keys()
