"""Every example of the language reference loads, and so does every search space we ship."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.spec_samples import LR, with_line

from tid_tune.ledger.state import RunState
from tid_tune.searchfile import load
from tid_tune.searchfile.checks.objectives import COSTS
from tid_tune.searchfile.model import OPTIONS_OF_TYPE
from tid_tune.searchfile.source import KEYS, SECTIONS
from tid_tune.searchfile.space import READERS

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "search-spaces.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", REFERENCE, re.DOTALL)


@pytest.fixture
def documented_project(project: Path) -> Path:
    """The config that the reference speaks of, an earlier run, and the smallest search."""
    config = project / "trainables/configs/digits/gfl_r18_tid.py"
    config.parent.mkdir(parents=True)
    config.write_text((project / "config.py").read_text())
    (project / "runs/first-search").mkdir(parents=True)
    (project / "runs/first-search/ledger.jsonl").touch()
    (project / "other.yaml").write_text(EXAMPLES[0])
    return project


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_reference_loads(example: str, documented_project: Path) -> None:
    path = documented_project / "example.yaml"
    path.write_text(example if "base:" in example else f"base: other.yaml\n{example}")
    assert load(path).space


def test_the_example_of_an_executor_runs_a_search(project: Path) -> None:
    text = (ROOT / "docs" / "search-engine.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert code is not None
    (project / "search.yaml").write_text(with_line("epochs: 3"))
    exec(code[1], {"train": lambda edits, epoch: {"coco/bbox_mAP": edits.get(LR, 0.2) * epoch}})
    state = RunState.read(project / "runs/mine/ledger.jsonl")
    assert state.closed == "all trials are done"
    assert sum(trial.stage == "search" for trial in state.trials.values()) == 10


def test_the_reference_names_every_field_option_and_distribution() -> None:
    options = [key for model in SECTIONS.values() for key in model.model_fields]
    conditional = [key for options in OPTIONS_OF_TYPE.values() for key in options]
    for word in {*KEYS, *options, *conditional, *READERS, *COSTS, "when", "narrow"}:
        assert re.search(rf"\b{word}\b", REFERENCE), f"{word} is not documented"


@pytest.mark.parametrize(
    "file", sorted((ROOT / "search_spaces").glob("*.yaml")), ids=lambda file: file.name
)
def test_every_shipped_search_space_loads(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    spec = load(file, check_files=False)
    assert f"search_spaces/{file.name}" in file.read_text(), "it opens with the command to run it"
    assert spec.trial.is_relative_to(ROOT)
