"""The exported student runs where tid_tune does not exist, and is the same detector."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import mmdet
import numpy as np
import pytest
import torch
from mmengine.config import Config
from support.doc_pages import blocks
from support.export_models import DISTILLER, write_config

from tid_tune.errors import ConfigError, UsageError
from tid_tune.export import export_student
from tid_tune.export.folder import Exported
from tid_tune.export.origin import Origin
from tid_tune.export.plain import plain_config
from tid_tune.export.student import student_weights
from tid_tune.openmmlab.checkpoints import load_state
from tid_tune.openmmlab.configs import load_config
from tid_tune.report.analysis.ap import coco_table
from tid_tune.report.analysis.columns import Detections, Truth
from tid_tune.report.analysis.evaluate import evaluate_checkpoint
from tid_tune.searchfile.model import Interval
from tid_tune.trial.trial import Trial

ORIGIN = Origin(
    search="demo",
    trial="t0003",
    params={"model.distillation.loss_weight": 2.5},
    seed=0,
    epochs=6.0,
    metrics={"coco/bbox_mAP": 0.5},
    objective="coco/bbox_mAP",
)
BLOCKER = """
import sys
class NoTidTune:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'tid_tune':
            raise ImportError('tid_tune must not be needed')
sys.meta_path.insert(0, NoTidTune())
"""


@pytest.fixture(scope="module")
def exported(distilled: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Exported:
    out = tmp_path_factory.mktemp("out") / "student"
    return export_student(*distilled, out, origin=ORIGIN)


def without_tid_tune(folder: Path, *command: Any) -> subprocess.CompletedProcess[str]:
    """Run Python in a process in which `import tid_tune` fails."""
    (folder / "sitecustomize.py").write_text(BLOCKER)
    environment = {**os.environ, "PYTHONPATH": str(folder), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, *map(str, command)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_mmdets_own_script_gets_the_same_map_without_tid_tune(
    exported: Exported, distilled: tuple[Path, Path], tmp_path: Path
) -> None:
    assert without_tid_tune(tmp_path, "-c", "import tid_tune").returncode != 0
    (package,) = mmdet.__path__
    script = Path(package) / ".mim" / "tools" / "test.py"
    command = [exported.launcher, script, exported.config, exported.checkpoint]
    prefix = tmp_path / "found"
    options = ["--cfg-options", f"test_evaluator.outfile_prefix={prefix}"]
    result = without_tid_tune(tmp_path, *command, *options)
    assert result.returncode == 0, result.stderr[-3000:]

    expected = evaluate_checkpoint(*distilled, device="cpu")
    overall = expected.table.overall()
    reported = {
        word.removesuffix(":"): float(value)
        for line in (result.stdout + result.stderr).splitlines()
        if "coco/bbox_mAP:" in line
        for word, value in zip(line.split(), line.split()[1:], strict=False)
        if word.startswith("coco/")
    }
    assert reported["coco/bbox_mAP"] == pytest.approx(overall["AP"], abs=5.1e-4)
    rows = json.loads(Path(f"{prefix}.bbox.json").read_text())
    table = coco_table(expected.truth, detections_of(rows, expected.truth))
    assert table.overall()["AP"] == pytest.approx(overall["AP"], abs=1e-4)
    assert overall["AP"] > 0.01


def snippets(readme: str) -> list[str]:
    """Return the programs of the section `Detect`."""
    section = readme.split("## Detect\n")[1].split("\n## ")[0]
    programs = re.findall(r"(?:^(?:    .*)?\n)+", section, re.MULTILINE)
    found = [textwrap.dedent(program).strip("\n") + "\n" for program in programs]
    return [program for program in found if program.strip()]


def test_the_readmes_programs_detect_without_tid_tune_and_without_compiled_ops(
    exported: Exported, digits: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    shutil.copytree(exported.readme.parent, folder)
    shutil.copyfile(sorted((digits / "val").iterdir())[0], folder / "image.jpg")
    text = (folder / "README.md").read_text()
    plain, inferencer = snippets(text)
    limits = load_config(folder / "config.py").model.test_cfg
    score, most = limits.score_thr, limits.max_per_img
    assert f"up to {most} detections an image with scores above {score}" in text
    assert "init_detector" in plain
    assert "DetInferencer" in inferencer
    assert blocks("python", "docs/export.md")[0].text == inferencer
    (folder / "plain.py").write_text(
        f"{plain}\nassert len(sure) == (found.scores > 0.3).sum()\n"
        "print('SCORES', *found.scores.tolist())\n"
    )
    (folder / "infer.py").write_text(f"{inferencer}\nprint('SCORES', *found[0]['scores'])\n")
    scores = []
    for script in ("plain.py", "infer.py"):
        result = without_tid_tune(folder, script)
        assert result.returncode == 0, result.stderr[-3000:]
        line = next(text for text in result.stdout.splitlines() if text.startswith("SCORES"))
        scores.append([float(score) for score in line.split()[1:]])
    assert len(scores[0]) > 0
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_the_line_for_missing_ops_leaves_compiled_ones_alone(
    exported: Exported, tmp_path: Path
) -> None:
    (tmp_path / "mmcv").mkdir()
    (tmp_path / "mmcv" / "__init__.py").touch()
    (tmp_path / "mmcv" / "_ext.py").write_text("compiled = True")
    code = (
        f"import runpy; runpy.run_path({str(exported.launcher)!r})['install']()\n"
        "import mmcv._ext; print(mmcv._ext.compiled)"
    )
    result = without_tid_tune(tmp_path, "-c", code)
    assert result.stdout.strip() == "True", result.stderr[-3000:]


def detections_of(rows: list[dict[str, Any]], truth: Truth) -> Detections:
    images = {image_id: index for index, image_id in enumerate(truth.image_ids)}
    labels = {int(number): index for index, number in enumerate(truth.category_ids)}
    return Detections(
        np.array([images[row["image_id"]] for row in rows]),
        np.array([labels[row["category_id"]] for row in rows]),
        np.array([row["bbox"] for row in rows]),
        np.array([row["score"] for row in rows]),
    )


def test_the_config_is_plain_and_keeps_data_evaluation_and_training(
    exported: Exported, distilled: tuple[Path, Path]
) -> None:
    text = exported.config.read_text()
    assert "tid_tune" not in text
    assert "teacher" not in text
    plain, original = Config.fromfile(exported.config), load_config(distilled[0])
    assert plain.model.type == "GFL"
    assert plain.model.data_preprocessor == original.model.student.data_preprocessor
    for name in ("train_dataloader", "val_dataloader", "val_evaluator", "custom_hooks"):
        assert plain[name] == original[name]
    assert plain.test_dataloader == original.val_dataloader
    assert not {"work_dir", "load_from", "custom_imports", "detector", "pipeline"} & set(plain)


def test_the_checkpoint_has_plain_keys_and_says_where_it_comes_from(
    exported: Exported, trained: tuple[Path, Path]
) -> None:
    state: Any = load_state(exported.checkpoint)
    weights = torch.load(trained[1], weights_only=True)["state_dict"]
    assert state["state_dict"].keys() == weights.keys()
    assert set(state) == {"meta", "state_dict"}
    assert state["meta"]["dataset_meta"]["classes"] == tuple("0123456789")
    told = state["meta"]["tid_tune"]
    assert told["trial"] == "t0003"
    assert told["params"] == ORIGIN.params
    assert told["distillation"] == {"method": "tid", "loss_weight": 2.5}
    assert "version" in told
    assert state["meta"]["epoch"] == 6


def test_the_exported_student_can_be_exported_again(exported: Exported, tmp_path: Path) -> None:
    again = export_student(exported.config, exported.checkpoint, tmp_path / "again")
    assert again.config.read_text() == exported.config.read_text()
    metas: list[Any] = [load_state(e.checkpoint)["meta"] for e in (exported, again)]
    assert metas[0]["tid_tune"] == metas[1]["tid_tune"]


def test_a_student_with_averaged_weights_leaves_with_those_that_were_measured(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    config, start = trained
    averaged = tmp_path / "averaged.py"
    averaged.write_text(
        f"{config.read_text()}\nload_from = {str(start)!r}\n"
        "custom_hooks = [dict(type='EMAHook', momentum=0.01)]\n"
        "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.05))\n"
    )
    epoch, work_dir = Interval(count=1, unit="epoch"), tmp_path / "work"
    with Trial(
        averaged, {}, seed=0, epochs=1, report_every=epoch, work_dir=work_dir, device="cpu"
    ) as trial:
        measured = trial.step().metrics["coco/bbox_mAP"]
        trial.save(tmp_path / "trial.pth")
    exported = export_student(averaged, tmp_path / "trial.pth", tmp_path / "out")
    found = evaluate_checkpoint(exported.config, exported.checkpoint, "test", device="cpu")
    assert found.table.overall()["AP"] == pytest.approx(measured, abs=1e-9)
    # The last weights, which the trial's checkpoint has too, give another mAP.
    last: Any = load_state(tmp_path / "trial.pth")
    averages = last["ema_state_dict"].items()
    plain = {n.removeprefix("module."): v for n, v in averages if n.startswith("module.")}
    torch.save({"state_dict": plain}, tmp_path / "last.pth")
    other = evaluate_checkpoint(exported.config, tmp_path / "last.pth", device="cpu")
    assert other.table.overall()["AP"] != pytest.approx(measured, abs=1e-3)


def test_weights_of_a_data_parallel_distiller_are_unwrapped_twice() -> None:
    state = {"module.student.a": torch.ones(1), "module.method.b": torch.ones(1)}
    assert set(student_weights({"state_dict": state})) == {"a"}
    assert set(student_weights(state)) == {"a"}


def test_a_loop_that_lacks_a_part_is_left_out(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path / "c.py", "GFL", "data"))
    config.pop("train_cfg")
    plain = plain_config(config)
    assert not {"train_dataloader", "optim_wrapper"} & set(plain)
    assert {"val_dataloader", "test_dataloader", "test_evaluator"} <= set(plain)


def test_what_needs_tid_tune_is_named(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path / "c.py", "GFL", "data", DISTILLER))
    config.val_evaluator = {"type": "tid_tune.SomeMetric"}
    with pytest.raises(ConfigError, match=r"`val_evaluator\.type` is 'tid_tune\.SomeMetric'"):
        plain_config(config)


def test_data_in_a_folder_named_like_the_package_are_no_use_of_it(tmp_path: Path) -> None:
    root = "/home/me/tid_tune/data/digits"
    config = load_config(write_config(tmp_path / "c.py", "GFL", root, DISTILLER))
    assert plain_config(config).val_dataloader.dataset.data_root == root


def test_other_imports_stay_and_pretrained_backbones_are_not_fetched_again(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path / "c.py", "GFL", "data", DISTILLER))
    config.custom_imports.imports = ["mmdet.models", *config.custom_imports.imports]
    config.model.student.backbone.init_cfg = {"type": "Pretrained", "checkpoint": "net://r18"}
    plain = plain_config(config)
    assert plain.custom_imports.imports == ["mmdet.models"]
    assert plain.model.backbone.init_cfg is None
    assert config.model.student.backbone.init_cfg is not None


def test_the_preprocessing_of_the_distiller_goes_into_the_student(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path / "c.py", "GFL", "data", DISTILLER))
    settings = config.model.student.pop("data_preprocessor")
    config.model.data_preprocessor = settings
    assert plain_config(config).model.data_preprocessor == settings


def test_a_checkpoint_of_another_model_is_refused_before_anything_is_written(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    config = write_config(tmp_path / "fcos.py", "FCOS")
    with pytest.raises(ConfigError, match="does not fit"):
        export_student(config, trained[1], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_is_refused(trained: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"out .*file/below: .*folder.*: Not a directory"):
        export_student(*trained, tmp_path / "file" / "below")
