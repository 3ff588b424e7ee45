"""The data of a config before a training: files, empty sets, and what `data check` finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.data_findings import errors, found
from support.small_data import NAMES, Document, config, document, write_data
from typer.testing import CliRunner

from tid_tune.cli import app
from tid_tune.data.coco import read_coco
from tid_tune.data.headers import Header, read_header
from tid_tune.errors import ConfigError, DataError
from tid_tune.openmmlab.setup import prepare
from tid_tune.preflight.checks import require
from tid_tune.preflight.data import check_data, require_readable
from tid_tune.preflight.filters import kept_images, usable_boxes
from tid_tune.preflight.plan import Plan
from tid_tune.trial.assembly import assemble

pytestmark = pytest.mark.usefixtures("place")


ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-32")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_encoding_that_mmdet_cannot_read_is_named_with_the_fix(encoding: str) -> None:
    path = Path("data/train.json")
    path.write_text(path.read_text(), encoding=encoding)
    prepare()
    from mmdet.datasets.api_wrappers import COCO

    with pytest.raises(ValueError, match=r"UTF-8 BOM|decode|Expecting"):
        COCO(str(path))
    (text,) = errors(config(Path("data")))
    assert "data/train.json" in text
    assert "UTF-8 without a byte order mark" in text


def test_a_trial_that_meets_such_a_file_names_it(tmp_path: Path) -> None:
    path = Path("data/train.json")
    path.write_text(path.read_text(), encoding="utf-16")
    settings = config(Path("data"))
    settings.optim_wrapper = {"type": "OptimWrapper"}
    settings.train_cfg = {"by_epoch": True, "max_epochs": 1}
    with pytest.raises(DataError, match=r"data/train.json: .*byte order mark"):
        assemble(
            settings,
            seed=0,
            epochs=1,
            work_dir=tmp_path / "work",
            device=torch.device("cpu"),
            fresh=True,
        )


def test_eval_gives_the_same_message_and_no_traceback() -> None:
    path = Path("data/val.json")
    path.write_text(path.read_text(), encoding="utf-16")
    config(Path("data")).dump("config.py")
    Path("weights.pth").touch()
    result = CliRunner().invoke(app, ["eval", "config.py", "weights.pth", "--out", "a/b"])
    assert isinstance(result.exception, ConfigError)
    assert "data/val.json" in str(result.exception)
    assert not Path("a").exists(), "it is empty"
    assert "byte order mark" in str(result.exception)


def test_eval_refuses_names_that_the_file_lacks() -> None:
    with pytest.raises(ConfigError, match="'quoka': did you mean 'quokka'"):
        require_readable(config(Path("data"), (*NAMES[:2], "quoka")), "val")
    require_readable(config(Path("data")), "val")


@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": [], "annotations": []}, "0 images, 0 boxes"),
        ({"annotations": []}, "4 images, 0 boxes"),
    ],
)
def test_an_empty_set_is_an_error(part: str, change: Document, words: str) -> None:
    Path(f"data/{part}.json").write_text(json.dumps(document() | change))
    (text,) = errors(config(Path("data")))
    assert f"data/{part}.json" in text
    assert words in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"filter_cfg": {"min_size": 49}}, "filter_cfg.min_size leaves 0"),
        ({"indices": 0}, "indices leaves 0"),
        ({"indices": []}, "indices leaves 0"),
    ],
)
def test_filters_that_leave_no_image_are_an_error(changes: Document, words: str) -> None:
    settings = config(Path("data"), **changes)
    settings.val_dataloader = config(Path("data")).val_dataloader
    (text,) = errors(settings)
    assert "train_dataloader.dataset: no image is left of the 4" in text
    assert words in text


def test_a_set_whose_boxes_are_all_left_out_is_an_error() -> None:
    content = document()
    for box in content["annotations"]:
        box["ignore"] = 1
    Path("data/train.json").write_text(json.dumps(content))
    (text,) = errors(config(Path("data")))
    assert "none of the 12 boxes of data/train.json" in text


def test_what_data_check_finds_is_shown_with_its_fix() -> None:
    content = document()
    content["annotations"][0]["bbox"] = [200, 3, 20, 16]
    content["annotations"][1]["area"] = 0
    Path("data/train.json").write_text(json.dumps(content))
    Path("data/val/2.png").unlink()
    texts = {finding.severity: finding.text for finding in found(config(Path("data")))}
    assert "boxes wholly outside their image: 1" in errors(config(Path("data")))[0]
    assert "data/val/2.png" in texts["error"]
    assert "set area to width x height" in texts["warning"]


def test_a_sample_of_many_images_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def read(path: str) -> Header:
        opened.append(path)
        return read_header(path)

    monkeypatch.setattr("tid_tune.data.check_images.read_header", read)
    write_data(Path("many"), document(images=900), document())
    assert found(config(Path("many"))) == []
    assert 200 <= len([path for path in opened if "/train/" in path]) <= 300


def test_a_command_ends_with_the_errors_and_prints_the_warnings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The config's model is none that could be built.
    monkeypatch.setattr("tid_tune.preflight.checks.checks_of", lambda _: [("", check_data)])
    content = document()
    content["annotations"][1]["area"] = 0
    Path("data/train.json").write_text(json.dumps(content))
    config(Path("data"), NAMES[:2]).dump("config.py")
    require(Plan.of_config(Path("config.py")))
    assert "not trained on" in capsys.readouterr().out


def strange_boxes(seed: int) -> Document:
    """Return boxes on every side of each rule by which mmdet leaves boxes and images out."""
    rng = np.random.default_rng(seed)
    content = document(images=30)
    for image in content["images"]:
        image["width"], image["height"] = rng.integers(20, 60, 2).tolist()
    content["annotations"] = [
        {
            "id": number + 1,
            "image_id": int(rng.integers(1, 30)),
            "category_id": int(rng.choice([7, 10, 13])),
            "bbox": [*rng.integers(-30, 60, 2).tolist(), *rng.choice([0.5, 1, 9, 40], 2).tolist()],
            "area": int(rng.choice([0, 1, 50])),
            "iscrowd": int(rng.random() < 0.2),
            "ignore": int(rng.random() < 0.2),
        }
        for number in range(60)
    ]
    return content


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"filter_cfg": {"filter_empty_gt": True, "min_size": 32}},
        {"filter_cfg": {"filter_empty_gt": True}, "indices": 5},
        {"filter_cfg": {"min_size": 40}, "indices": -4},
        {"filter_cfg": {"min_size": 25}, "indices": [0, 3, 4]},
        {"filter_cfg": {"min_size": 40}, "test_mode": True},
    ],
)
def test_the_filters_keep_what_mmdet_keeps(seed: int, settings: dict[str, Any]) -> None:
    prepare()
    from mmdet.datasets import CocoDataset

    path, names = Path("strange.json"), ("cat", "quokka")
    path.write_text(json.dumps(strange_boxes(seed)))
    metainfo = {"classes": names}
    judge = CocoDataset(
        ann_file=str(path), data_prefix={"img": ""}, metainfo=metainfo, pipeline=[], **settings
    )
    records = [judge.get_data_info(index) for index in range(len(judge))]
    table = read_coco(path)
    masks = kept_images(table, names, settings)
    kept = np.logical_and.reduce([np.ones(len(table.files), bool), *masks.values()])
    boxes = usable_boxes(table, "coco", names, settings) & kept[table.box_image]
    assert [Path(record["img_path"]).name for record in records] == [
        table.files[index] for index in np.flatnonzero(kept).tolist()
    ]
    trained = sum(not one["ignore_flag"] for record in records for one in record["instances"])
    assert boxes.sum() == trained
