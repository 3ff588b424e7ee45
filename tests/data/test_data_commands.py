from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tid_tune.cli import main


@pytest.fixture
def tid_tune(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line; return exit code, stdout, stderr."""

    def run(*arguments: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tid-tune", "data", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        return int(caught.value.code or 0), *capsys.readouterr()

    return run


def test_digits_tells_what_it_wrote_and_that_a_second_call_has_nothing_to_do(
    tid_tune: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    command = ("digits", "--out", tmp_path / "d", "--images", 3, "--val-images", 2)
    assert tid_tune(*command)[:2] == (0, f"wrote 3 train and 2 val images to {tmp_path / 'd'}\n")
    code, out, _ = tid_tune(*command)
    assert code == 0
    assert "nothing to do" in out
    code, _, err = tid_tune("digits", "--out", tmp_path / "d", "--seed", 5)
    assert code == 2
    assert "seed is 0 there and 5 here" in err
    assert "Traceback" not in err


def test_digits_writes_voc_form(
    tid_tune: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    assert not tid_tune(
        "digits", "--out", tmp_path, "--images", 2, "--val-images", 1, "--format", "voc"
    )[0]
    assert (tmp_path / "VOCdevkit/VOC2007/Annotations/000003.xml").is_file()


def test_split_and_subset_show_class_shares_and_name_their_files(
    tid_tune: Callable[..., tuple[int, str, str]], digits: Path, tmp_path: Path
) -> None:
    train = digits / "coco/annotations/instances_train.json"
    code, out, _ = tid_tune("split", train, "--fraction", 0.25, "--out", tmp_path)
    assert code == 0
    assert f"wrote {tmp_path / 'instances_train_select.json'}: 10 images" in out
    out = tid_tune("split", train, "--fraction", 0.25, "--out", tmp_path)[1]
    assert "nothing to do" in out.splitlines()[-1]
    code, out, _ = tid_tune("subset", train, "--images", 7, "--out", tmp_path / "few.json")
    assert code == 0
    assert f"wrote {tmp_path / 'few.json'}: 7 images" in out
    assert out.splitlines()[1].split() == ["images", "40", "7"]
    code, _, err = tid_tune("subset", train, "--images", 99, "--out", tmp_path / "many.json")
    assert code == 2
    assert "a subset of 99 images was asked for; it has 40" in err


def test_voc_to_coco_writes_a_file_that_check_accepts(
    tid_tune: Callable[..., tuple[int, str, str]], digits: Path, tmp_path: Path
) -> None:
    devkit = digits / "voc/VOCdevkit"
    lists = [devkit / f"VOC2007/ImageSets/Main/{name}.txt" for name in ("train", "val")]
    code, out, _ = tid_tune("voc-to-coco", *lists, "--out", tmp_path / "voc.json")
    assert code == 0
    assert "52 images" in out
    assert tid_tune("check", tmp_path / "voc.json", "--images", devkit)[0] == 0
    assert (
        tid_tune("voc-to-coco", *lists, "--classes", "1, 2", "--out", tmp_path / "x.json")[0] == 2
    )


def test_check_ends_with_0_without_errors_and_1_with(
    tid_tune: Callable[..., tuple[int, str, str]],
    digits: Path,
    save: Callable[..., Path],
    document: dict[str, Any],
) -> None:
    code, out, _ = tid_tune("check", digits / "coco")
    assert code == 0
    assert out.endswith("no errors, no warnings\n")
    code, out, _ = tid_tune("check", save(document))
    assert code == 1
    assert "error [missing-image] ann: image files that are missing: 3" in out
    assert "fix: complete the download" in out
    assert "1 error, 1 warning\n" in out


def test_check_prints_json_for_machines(
    tid_tune: Callable[..., tuple[int, str, str]],
    save: Callable[..., Path],
    document: dict[str, Any],
) -> None:
    code, out, _ = tid_tune("check", save(document), "--json")
    report = json.loads(out)
    assert code == 1
    assert (report["errors"], report["warnings"]) == (1, 1)
    first = report["findings"][0]
    assert first["code"] == "missing-image"
    assert first["count"] == 3
    assert report["splits"][0]["classes"] == ["brush", "bicycle", "never"]


def test_check_of_nothing_ends_with_2(
    tid_tune: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, _, err = tid_tune("check", tmp_path)
    assert code == 2
    assert "no dataset" in err
    assert "instances_" in err
