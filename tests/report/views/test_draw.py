"""`tid-tune draw` and the models of a report: of any checkpoint and of a run; what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tid_tune.cli import app
from tid_tune.errors import UsageError
from tid_tune.report.views import models as views
from tid_tune.report.views.model_areas import places_of
from tid_tune.report.views.models import models_of_run, named_models
from tid_tune.report.views.run_models import TooSlow, evaluate_run, read_run_models
from tid_tune.results.run_folder import RunFolder

from .conftest import Models


def draw(*arguments: str | Path, fails: bool = False) -> str:
    result = CliRunner().invoke(app, ["draw", *map(str, arguments)])
    assert (result.exception is not None) == fails, (result.output, result.exception)
    return str(result.exception) if fails else result.output


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_areas_and_detections_of_any_checkpoint(models: Models, tmp_path: Path) -> None:
    out = tmp_path / "out"
    draw("areas", models.student, models.student_weights, "--out", out)
    assert names(out) == {"areas_0.png", "areas_2.png"}
    draw("areas", models.student, models.student_weights, "--out", out, "--image", "1")
    assert "areas_1.png" in names(out)
    draw("detections", models.teacher, models.teacher_weights, "--out", out, "--count", "1")
    assert len([name for name in names(out) if name.startswith("detections_")]) == 1
    pair = [
        f"a={models.student},{models.student_weights}",
        f"b={models.teacher},{models.teacher_weights}",
    ]
    draw("compare", *pair, "--out", tmp_path / "both", "--image", "3", "--image", "1")
    charts = {"errors.png", "errors_by_size.png", "ap_by_class.png"}
    pictures = {"detections_1.png", "detections_3.png"}
    assert names(tmp_path / "both") == charts | pictures | {"comparison.json"}


def test_what_cannot_be_drawn_is_refused_with_one_error(
    models: Models, shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "out")
    plain = draw("areas", models.teacher, models.teacher_weights, *out, fails=True)
    assert "Distiller" in plain
    assert "checkpoint" in draw("areas", models.teacher, *out, fails=True)
    absent = draw("detections", models.teacher, "absent.pth", *out, fails=True)
    assert "absent.pth" in absent
    assert "one model" in draw(
        "compare", f"{models.teacher},{models.teacher_weights}", *out, fails=True
    )
    wrong = draw("areas", models.student, models.student_weights, "--image", "99", *out, fails=True)
    assert "no image 99 in the validation set" in wrong
    assert "such as 0, 1, 2" in wrong
    assert not (tmp_path / "out").exists()
    other = shapes_config(
        models.student.read_text()[models.student.read_text().index("\nmodel = dict(\n") :]
        .replace(
            "method='tid', thresholds='fixed', pos_iou=0.2, neg_iou=0.1, cls_pos=0.01,", "method="
        )
        .replace("cls_neg=0.001, weak_threshold=0.3", "'mimic'"),
        name="mimic.py",
    )
    mimic = draw("areas", other, models.student_weights, *out, fails=True)
    assert "mimic has no key and weak areas" in mimic


def test_an_image_is_named_by_its_id_in_the_annotations() -> None:
    class Images:
        def __len__(self) -> int:
            return 3

        def get_data_info(self, index: int) -> dict[str, Any]:
            return {"img_id": (45, "b/1", 0)[index]}

    images: Any = Images()
    assert places_of(images, ["0", "45", "b/1"]) == [2, 0, 1]
    with pytest.raises(UsageError, match="no image 1 in the validation set: 3 images, whose ids"):
        places_of(images, ["1"])


def test_a_run_is_its_baseline_its_best_student_and_its_teacher(run_folder: Path) -> None:
    run = RunFolder.open(run_folder)
    found = models_of_run(run)
    assert [(model.role, model.trial) for model in found] == [
        ("none", "t0001"),
        ("best", "t0003"),
        ("teacher", ""),
    ]
    texts = [f"{run_folder}:none", f"x={run_folder}:t0002", f"{run_folder}:teacher"]
    named = named_models(texts, RunFolder.open)
    assert [model.trial for model in named] == ["t0001", "t0002", ""]
    assert named[1].name == "x"
    assert named[2].is_teacher
    assert found[1].epoch == 1
    with pytest.raises(UsageError, match="one model, with its name: compare needs two or more"):
        named_models([f"x={run_folder}"], RunFolder.open)
    with pytest.raises(UsageError, match="t0009"):
        named_models([f"{run_folder}:t0009"], RunFolder.open)


def test_areas_of_a_trial_without_a_record_are_those_at_its_end(
    run_folder: Path, tmp_path: Path
) -> None:
    said = draw("areas", f"{run_folder}:t0002", "--out", tmp_path / "out")
    assert "t0002) has recorded no areas" in said
    assert "after epoch 1" in " ".join(said.split())
    assert names(tmp_path / "out") == {"areas_0.png", "areas_2.png"}


def test_the_models_of_a_run_are_evaluated_once(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder.open(run_folder)
    assert read_run_models(run, run.winner) == []
    built: list[str] = []
    build = views.Model.build

    def counted(model: views.Model, device: str) -> Any:
        built.append(model.role)
        return build(model, device)

    monkeypatch.setattr(views.Model, "build", counted)
    with pytest.raises(TooSlow, match="3 models on 4 images"):
        evaluate_run(run, images=8, seconds=1e-9, device="cpu")
    built.clear()
    found = evaluate_run(run, images=3, device="cpu")
    assert built == ["none", "best", "teacher"]
    assert {model.images for model in found} == {3}
    again = evaluate_run(RunFolder.open(run_folder), images=3, device="cpu")
    assert built == ["none", "best", "teacher"]
    read = read_run_models(run, run.winner)
    for models in (again, read):
        assert [m.analysis.as_json() for m in models] == [m.analysis.as_json() for m in found]
    assert read_run_models(run, run.state.trials["t0002"]) == []
    evaluate_run(run, images=4, device="cpu")
    kept = {path.name for path in (run_folder / "report" / "models").iterdir()}
    assert len(kept) == 3  # those of three images are gone
