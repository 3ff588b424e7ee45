"""Weights that are missing, or of another model, are found before a training starts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from support.pickles import write_pickle

from tid_tune.openmmlab.checkpoints import save_state
from tid_tune.openmmlab.configs import load_config
from tid_tune.openmmlab.models import build_detector
from tid_tune.preflight import Finding, Plan, weights
from tid_tune.searchfile import load
from tid_tune.testing.detectors import detector

DISTILLER = """
model = dict(type='Distiller', student=_detector, distillation=dict(method={method!r}),
             teacher=dict(config='{folder}/teacher.py', checkpoint={checkpoint!r}))
custom_imports = dict(imports=['tid_tune.distill.distiller'], allow_failed_imports=False)
"""
RESNET = "_detector['backbone']['init_cfg'] = dict(type='Pretrained', checkpoint={!r})\n"
WEB = "torchvision://resnet18"
Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, and no network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(weights, "is_reachable", lambda url: False)


@pytest.fixture
def held(shapes_config: Write) -> dict[str, torch.Tensor]:
    """The weights of the config's detector."""
    return dict(build_detector(load_config(shapes_config()).model).state_dict())


def found(config: Path) -> list[Finding]:
    plan = Plan.of_config(config)
    return [*weights.check_teacher_weights(plan), *weights.check_first_weights(plan)]


def errors(config: Path) -> str:
    return "\n".join(one.text for one in found(config) if one.severity == "error")


def save(state: Mapping[str, torch.Tensor], path: Path) -> str:
    save_state({"state_dict": dict(state)}, path)
    return str(path)


@pytest.fixture
def distiller(shapes_config: Write, tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a Distiller's config, with a teacher of width 8."""
    teacher = shapes_config(name="teacher.py", width=8)

    def write(state: Mapping[str, torch.Tensor] | None = None, method: str = "tid") -> Path:
        checkpoint = str(tmp_path / "gone.pth")
        if state is not None:
            checkpoint = save(state, tmp_path / "teacher.pth")
        text = DISTILLER.format(folder=teacher.parent, checkpoint=checkpoint, method=method)
        return shapes_config(text)

    return write


def of_width(shapes_config: Write, width: int) -> dict[str, torch.Tensor]:
    config = load_config(shapes_config(name="other.py", width=width))
    return dict(build_detector(config.model).state_dict())


def test_a_teachers_weights_that_fit_are_counted(
    distiller: Callable[..., Path], shapes_config: Write
) -> None:
    (one,) = found(distiller(of_width(shapes_config, 8)))
    assert one.severity == "note"
    assert "teacher.pth" in one.text


def test_a_teachers_weights_of_another_config_are_refused(
    distiller: Callable[..., Path], shapes_config: Write
) -> None:
    text = errors(distiller(of_width(shapes_config, 4)))
    for part in ("model.teacher", "teacher.pth", "backbone.bn1.bias", "(4,) instead of (8,)"):
        assert part in text
    missing = of_width(shapes_config, 8)
    del missing["bbox_head.gfl_cls.bias"]
    assert "bbox_head.gfl_cls.bias is missing" in errors(distiller(missing))


def test_a_teacher_without_its_file_is_missing_only_where_it_is_needed(
    distiller: Callable[..., Path],
) -> None:
    assert "model.teacher.checkpoint: there is no checkpoint file" in errors(distiller())
    assert errors(distiller(method="none")) == ""


def test_a_teachers_own_init_cfg_is_not_asked_for(shapes_config: Write, tmp_path: Path) -> None:
    teacher = shapes_config(RESNET.format(WEB) + "model = _detector\n", name="teacher.py", width=8)
    state = build_detector(load_config(teacher).model).state_dict()
    text = DISTILLER.format(
        folder=tmp_path, checkpoint=save(state, tmp_path / "a.pth"), method="tid"
    )
    assert errors(shapes_config(text)) == ""
    assert "model.backbone.init_cfg" in errors(teacher)  # when it is itself trained


@pytest.mark.parametrize(
    ("model", "where"), [("model = _detector\n", "model"), (DISTILLER, "model.student")]
)
def test_weights_that_would_be_downloaded_are_named_with_their_place(
    model: str, where: str, shapes_config: Write, tmp_path: Path
) -> None:
    more = model.format(folder=tmp_path, checkpoint=None, method="none")
    text = errors(shapes_config(RESNET.format(WEB) + more))
    place = tmp_path / "torch/hub/checkpoints/resnet18-f37072fd.pth"
    for part in (f"{where}.backbone", WEB, "https://", str(place), "init_cfg=None"):
        assert part in text


def test_weights_that_can_be_downloaded_are_a_note(
    shapes_config: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "is_reachable", lambda url: True)
    (one,) = found(shapes_config(RESNET.format(WEB) + "model = _detector\n"))
    assert one.severity == "note"
    assert "resnet18-f37072fd.pth" in one.text


@pytest.mark.parametrize("place", ["init_cfg", "load_from"])
@pytest.mark.parametrize("kind", ["missing", "renamed", "other", "pickle"])
def test_files_to_start_from_that_do_not_fit_are_errors(
    place: str,
    kind: str,
    held: dict[str, torch.Tensor],
    shapes_config: Write,
    tmp_path: Path,
) -> None:
    part = "backbone." if place == "init_cfg" else ""
    state = {k.removeprefix(part): v for k, v in held.items() if k.startswith(part)}
    other = {
        k.removeprefix(part): v for k, v in of_width(shapes_config, 8).items() if k.startswith(part)
    }
    file, word = str(tmp_path / "gone.pth"), "no checkpoint file"
    if kind == "renamed":
        file = save({f"net.{k}": v for k, v in state.items()}, tmp_path / "renamed.pth")
        word = "none of its"
    if kind == "other":
        file, word = save(other, tmp_path / "other.pth"), "has the shape"
    if kind == "pickle":
        pickled, marker = write_pickle(tmp_path, state)
        file, word = str(pickled), "cannot be loaded safely"
    start = RESNET.format(file) if part else f"load_from = {file!r}\n"
    text = errors(shapes_config(f"{start}model = _detector\n"))
    assert word in text
    assert place in text
    assert Path(file).name in text
    if kind == "pickle":
        assert not marker.exists()


def test_files_to_start_from_that_fit_are_counted(
    held: dict[str, torch.Tensor], shapes_config: Write, tmp_path: Path
) -> None:
    backbone = {k.removeprefix("backbone."): v for k, v in held.items() if "backbone." in k}
    start = RESNET.format(save(backbone, tmp_path / "a.pth"))
    whole = save({f"student.{k}": v for k, v in held.items()}, tmp_path / "b.pth")
    first, second = found(shapes_config(f"{start}load_from = {whole!r}\nmodel = _detector\n"))
    assert (first.severity, second.severity) == ("note", "note")
    counts = [sum("num_batches" not in name for name in names) for names in (backbone, held)]
    assert f"model.backbone.init_cfg: {counts[0]} of {counts[0]} names" in first.text
    assert f"load_from: {counts[1]} of {counts[1]} names" in second.text


def test_weights_of_a_part_are_a_warning(
    held: dict[str, torch.Tensor], shapes_config: Write, tmp_path: Path
) -> None:
    backbone = {k: v for k, v in held.items() if "backbone." in k}
    file = save(backbone, tmp_path / "a.pth")
    (one,) = found(shapes_config(f"load_from = {file!r}\n"))
    assert one.severity == "warning"
    assert "not in the file, for example neck." in one.text


def test_every_searched_file_is_looked_for(
    held: dict[str, torch.Tensor], shapes_config: Write, tmp_path: Path
) -> None:
    file = save(held, tmp_path / "a.pth")
    config = shapes_config("load_from = None\n")
    space = tmp_path / "search.yaml"
    space.write_text(
        f"name: x\ntrial: {config}\nepochs: 1\nbaseline: false\nspace:\n"
        f"  load_from: {{choice: [{file}, {tmp_path}/gone.pth]}}\n"
    )
    texts = [one.text for one in weights.check_first_weights(Plan.of_search(load(space)))]
    assert any(f"match {file}" in text for text in texts)
    assert any("gone.pth" in text for text in texts)


def test_a_resume_that_nothing_reads_is_named(shapes_config: Write) -> None:
    (one,) = found(shapes_config("resume = True\n"))
    assert one.severity == "warning"
    assert "resume is not read" in one.text


def test_a_model_that_cannot_be_built_is_an_error(shapes_config: Write) -> None:
    text = errors(shapes_config("model = dict(_detector, backbone=dict(type='ResNet'))\n"))
    assert "model: cannot build the GFL" in text
    assert "depth" in text


def test_a_large_teacher_is_compared_in_about_a_second() -> None:
    config = {**detector("gfl"), "backbone": {"type": "ResNet", "depth": 101}}
    config["neck"] = {**config["neck"], "in_channels": [256, 512, 1024, 2048], "num_outs": 5}
    from tid_tune.openmmlab.models import build_on_meta

    started = time.process_time()
    built = build_on_meta(config)
    assert time.process_time() - started < 5
    assert all(parameter.is_meta for parameter in built.parameters())
