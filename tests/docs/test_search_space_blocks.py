"""Every YAML block of README and docs/ loads as a search space, alone or on top of another one."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.doc_pages import ROOT, Block, blocks
from support.spec_project import DATA, STUDENT, write_project
from typer.testing import CliRunner

from tid_tune.cli import app
from tid_tune.searchfile import load

REFERENCE = blocks("yaml", "docs/search-spaces.md")
README = blocks("yaml", "README.md")[0]
ELSEWHERE = {README.page, REFERENCE[0].page, "docs/extending.md"}
"""Pages whose blocks are tested on their own; those of docs/extending.md by test_extending.py."""
OTHERS = [block for block in blocks("yaml") if block.page not in ELSEWHERE]


@pytest.fixture
def reference_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config that the reference names, an earlier run, and the smallest search."""
    monkeypatch.chdir(tmp_path)
    write_project()
    config = Path("trainables/configs/digits/gfl_r18_tid.py")
    config.parent.mkdir(parents=True)
    config.write_text(Path("config.py").read_text())
    Path("runs/first-search/best").mkdir(parents=True)
    Path("runs/first-search/best/values.yaml").write_text("- loss_weight: 1.5\n")
    Path("runs/first-search/ledger.jsonl").touch()
    Path("other.yaml").write_text(REFERENCE[0].text)
    return tmp_path


@pytest.mark.parametrize("block", REFERENCE, ids=str)
def test_every_example_of_the_reference_loads(block: Block, reference_project: Path) -> None:
    path = reference_project / "example.yaml"
    path.write_text(block.text if "base:" in block.text else f"base: other.yaml\n{block.text}")
    assert load(path).space


@pytest.mark.parametrize("block", OTHERS, ids=str)
def test_the_lines_for_shipped_configs_load(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    base = "voc_gfl_r50_tid" if "VOC2007" in block.text else "coco_gfl_r50_tid"
    path = tmp_path / "example.yaml"
    path.write_text(f"base: {ROOT}/search_spaces/{base}.yaml\n{block.text}")
    assert load(path, check_files=False).space


@pytest.mark.parametrize("page", ["README.md", "docs/configs.md"])
def test_the_config_of_your_own_wraps_a_student(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The config block of the page, named by the search space of README, is valid."""
    monkeypatch.chdir(tmp_path)
    write_project()
    Path("configs").mkdir()
    Path("checkpoints").mkdir()
    for name in ("street_gfl_r18", "street_gfl_r101", "my_student"):
        Path(f"configs/{name}.py").write_text(f"{STUDENT}{DATA}model = detector\ndel detector\n")
    Path("my_teacher.py").write_text(f"{STUDENT}{DATA}model = detector\n")
    for name in ("street_gfl_r101", "my_teacher"):
        Path(f"checkpoints/{name}.pth").touch()
    Path("runs/street_gfl_r101").mkdir(parents=True)
    Path("runs/street_gfl_r101/checkpoint.pth").touch()
    (config,) = blocks("python", page)
    Path("configs/street_gfl_r18_tid.py").write_text(config.text)
    Path("search.yaml").write_text(README.text)
    result = CliRunner().invoke(app, ["validate", "--quick", "search.yaml"])
    assert result.exit_code == 0, (result.output, result.exception)
    assert "street-gfl-r18: file and config are valid" in result.output
