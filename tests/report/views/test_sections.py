"""The sections of the report for the models: what they show, when they are left out, their size."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.analysis_scenes import random_detections, random_truth
from support.search_cases import make_spec

from tid_tune.ledger.file import Ledger
from tid_tune.report.charts.model import Chart, Line
from tid_tune.report.page.assemble import write_report
from tid_tune.report.page.blocks import Block, Details, ImageBlock, Text
from tid_tune.report.page.sections import areas, detections, errors
from tid_tune.report.page.study import Study
from tid_tune.report.views.evaluated import Evaluated
from tid_tune.report.views.judged import differing_images
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.engine import Search
from tid_tune.trial.area_file import AreaRecord, RecordedImage

EPOCHS = (1.0, 2.0, 3.0)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A search whose only trial has reported its areas by level."""
    folder = tmp_path / "demo"
    folder.mkdir()
    spec = make_spec(epochs=3, trials=1, baseline=False, scheduler={"type": "none"})
    ledger = Ledger.open(folder / "ledger.jsonl", sync=False)
    search = Search.open(spec, ledger)
    work = search.next()
    for epoch in EPOCHS:
        metrics = {"coco/bbox_mAP": 0.1 * epoch}
        for level in (0, 1):
            metrics[f"train/distill/area_key_l{level}"] = 0.1 * epoch + level
            metrics[f"train/distill/area_weak_l{level}"] = 0.2 * epoch + level
        metrics |= {f"train/loss_distill_{area}": epoch for area in ("key", "weak", "rest")}
        search.report(work.trial, int(epoch), epoch, metrics, 1.0, 8, "")
    search.complete(work.trial)
    ledger.close()
    return RunFolder.open(folder)


def evaluated(run: RunFolder, folder: Path) -> list[Evaluated]:
    """Baseline, best and teacher on images of a realistic size, as `evaluate_run` keeps them."""
    rng = np.random.default_rng(0)
    truth = random_truth(rng, side=600.0)
    files = tuple(str(folder / f"{place}.jpg") for place in range(12))
    for file in files:
        cv2.imwrite(file, rng.integers(0, 255, (480, 640, 3), dtype=np.uint8))
    found = [
        Evaluated(name, name, truth, random_detections(rng, truth), files, 5000)
        for name in ("none", "best", "teacher")
    ]
    entries = []
    for model, trial in zip(found, ("t0009", "t0001", ""), strict=True):
        name = f"report/models/{model.name}.npz"
        model.save(run.path / name)
        entries.append({"file": name, "trial": trial, "images": 12})
    (run.path / "report/models.json").write_text(json.dumps(entries))
    return found


def record_areas(run: RunFolder, file: str) -> None:
    image = RecordedImage(
        4, file, (480, 640), ((10.0, 20.0, 200.0, 300.0),), ((60, 80),), (8,), "45"
    )
    codes = np.random.default_rng(0).integers(0, 4, (3, 4800), dtype=np.uint8)
    path = run.path / "trials" / "t0001" / "areas.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(
        AreaRecord(
            (image, replace(image, index=5)), EPOCHS, np.hstack([codes] * 2), "weak"
        ).to_bytes()
    )


def pictures(blocks: list[Block]) -> list[ImageBlock]:
    """Those that are shown, and those behind a summary."""
    found: list[ImageBlock] = []
    for block in blocks:
        if isinstance(block, ImageBlock):
            found.append(block)
        elif isinstance(block, Details):
            found += pictures(list(block.blocks))
    return found


def test_without_evaluations_there_are_no_sections_of_models(run: RunFolder) -> None:
    study = Study.of(run)
    assert errors.section(study) is None
    assert detections.section(study) is None


def test_models_of_another_best_trial_are_not_shown(run: RunFolder, tmp_path: Path) -> None:
    evaluated(run, tmp_path)
    index = run.path / "report/models.json"
    index.write_text(index.read_text().replace("t0001", "t0002"))
    assert Study.of(run).models == []


def test_a_teacher_without_weights_is_left_out_by_name(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated(run, tmp_path)
    monkeypatch.setattr(Study, "configured", lambda self, path: (True, "elsewhere/teacher.pth"))
    assert errors.missing_teacher(Study.of(run)) == ""
    index = run.path / "report/models.json"
    index.write_text(json.dumps(json.loads(index.read_text())[:2]))
    section = errors.section(Study.of(run))
    assert section is not None
    texts = [block.text for block in section.blocks if isinstance(block, Text)]
    assert any("`elsewhere/teacher.pth`" in text for text in texts)


def test_the_sections_show_the_evaluations_within_their_bytes(
    run: RunFolder, tmp_path: Path
) -> None:
    found = evaluated(run, tmp_path)
    record_areas(run, str(tmp_path / "3.jpg"))
    study = Study.of(run)
    wrong, differ, moved = (part.section(study) for part in (errors, detections, areas))
    assert wrong is not None
    assert differ is not None
    assert moved is not None
    assert "the first 12 of 5000 validation images" in wrong.intro
    chosen = differing_images(found[0].judged, found[1].judged, detections.IMAGES)
    shown = pictures(list(differ.blocks))
    assert [picture.caption.split(":")[0] for picture in shown] == [
        f"Image {found[0].truth.image_ids[image]}" for image in chosen
    ]
    change = found[1].judged.quality - found[0].judged.quality
    assert f"{change[chosen[0]]:+.2f} from none to best" in shown[0].caption
    assert (
        f"better than none on {(change > 0).sum()}, worse on {(change < 0).sum()}" in differ.intro
    )
    assert max(len(picture.data) for picture in shown) <= detections.MOST_BYTES
    over = pictures(list(moved.blocks))
    assert len(over) == 2
    assert max(len(picture.data) for picture in over) <= areas.MOST_BYTES
    assert len({picture.name for picture in shown + over}) == len(shown) + 2


def test_areas_in_training_are_those_of_the_ledger(run: RunFolder) -> None:
    moved = areas.section(Study.of(run))
    assert moved is not None
    chart, note = moved.blocks
    assert isinstance(note, Text)
    assert "t0001 has recorded no areas" in note.text
    assert isinstance(chart, Chart)
    lines = {
        (panel.title, line.name): list(line.ys)
        for panel in chart.panels
        for line in panel.marks
        if isinstance(line, Line)
    }
    assert lines["key area", "level 1"] == pytest.approx([1.1, 1.2, 1.3])
    assert lines["weak area", "level 0"] == pytest.approx([0.2, 0.4, 0.6])
    assert lines["loss of each area", "rest term"] == [1.0, 2.0, 3.0]


def test_areas_are_drawn_on_grey_where_the_image_is_not(run: RunFolder) -> None:
    record_areas(run, "absent.jpg")
    moved = areas.section(Study.of(run))
    assert moved is not None
    assert all("on grey" in picture.caption for picture in pictures(list(moved.blocks)))
    write_report(Study.of(run))
    assert {"areas_1.webp", "areas_2.webp", "areas.png"} <= {
        path.name for path in run.pictures.iterdir()
    }
