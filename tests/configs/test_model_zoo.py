"""What configs and docs say of OpenMMLab's checkpoints, against mmdet's own model index."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import mmdet
import pytest
import yaml
from support.small_trials import CONFIGS, ROOT, dataset_of

from tid_tune.openmmlab.configs import load_config

ZOO = Path(mmdet.__file__).parent / ".mim"
DISTILLED = [path for path in CONFIGS if path.stem.endswith("_tid") and dataset_of(path) == "coco"]
GUIDE = ROOT / "docs" / "configs.md"


def published(config: Path) -> dict[str, Any]:
    """mmdet's index entry of the config that the file at `config` is based on."""
    base = re.search(r'_base_ = "mmdet::(\S+?)"', config.read_text())
    assert base is not None
    family = base[1].split("/")[0]
    index = yaml.safe_load((ZOO / "configs" / family / "metafile.yml").read_text())
    (entry,) = [item for item in index["Models"] if item["Config"] == f"configs/{base[1]}"]
    return entry


def average_precision(entry: dict[str, Any]) -> float:
    (result,) = [item for item in entry["Results"] if item["Task"] == "Object Detection"]
    return result["Metrics"]["box AP"]


@pytest.mark.parametrize("config", DISTILLED, ids=lambda path: path.stem)
def test_a_teacher_has_the_checkpoint_that_mmdet_publishes_for_its_config(config: Path) -> None:
    teacher = load_config(config, imports=False).model.teacher
    entry = published(ROOT / teacher.config)
    name = Path(entry["Weights"]).name
    assert Path(teacher.checkpoint) == Path("checkpoints") / name
    assert entry["Weights"] in config.read_text()  # where `tid-tune init` finds it
    rows = [line for line in GUIDE.read_text().splitlines() if name in line]
    assert rows
    assert any(f"{average_precision(entry)}" in row and entry["Weights"] in row for row in rows)


def test_checkpoints_that_are_here_have_the_digest_in_their_names() -> None:
    named = {load_config(path, imports=False).model.teacher.checkpoint for path in DISTILLED}
    files = [ROOT / name for name in sorted(named) if (ROOT / name).is_file()]
    if not files:
        pytest.skip("no checkpoint has been downloaded")
    for file in files:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        assert digest.startswith(file.stem.rpartition("-")[2]), file.name


@pytest.mark.parametrize(
    "config", [path for path in CONFIGS if "mmdet::" in path.read_text()], ids=lambda p: p.stem
)
def test_the_precision_a_config_claims_is_the_published_one(config: Path) -> None:
    claimed = re.search(r"([0-9.]+) box AP by mmdet's metafile", config.read_text())
    if dataset_of(config) == "voc":
        assert claimed is None  # mmdet publishes these models for COCO only
    else:
        assert claimed is not None
        assert float(claimed[1]) == average_precision(published(config))
