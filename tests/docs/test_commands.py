"""Every command line of README and docs/ is one that tid-tune, make or Python accepts.

The heavy commands are parsed only; tests/cluster, tests/export and others run them. The light ones
run here, in the order of the pages, in a folder with data and runs under the names of the pages.
"""

from __future__ import annotations

import re
import shutil
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
from support.doc_pages import LANGUAGES, ROOT, Block, blocks, languages
from typer.testing import CliRunner

from tid_tune.cli import app
from tid_tune.data.digits import write_digits

LIGHT = {"data", "schema", "list", "status", "leaderboard", "show", "table", "report", "compare"}
NO_FILE = {"cd", "source"}
BASH = blocks("bash")
LEDGER = ROOT / "tests/fixtures/simulated_ledgers/methods.jsonl"


def is_tid_tune(words: list[str]) -> bool:
    return Path(words[0]).name == "tid-tune"


def parse(arguments: list[str]) -> str:
    """Parse a tid-tune command line without running it, and return the command's name."""
    called: list[str] = []
    command: Any = typer.main.get_command(app)
    _replace_callbacks(command, "", called)
    command.main(arguments, prog_name="tid-tune", standalone_mode=False)
    (name,) = called
    return name


def _replace_callbacks(group: Any, prefix: str, called: list[str]) -> None:
    """Make each command note its name instead of doing its work."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            _replace_callbacks(command, f"{name} ", called)
        else:
            command.callback = partial(_note, called, prefix + name)


def _note(called: list[str], name: str, **_: object) -> None:
    called.append(name)


def check_python(words: list[str]) -> None:
    if words[1] == "-m":
        assert find_spec(words[2]) is not None
        return
    script = ROOT / words[1]
    text = script.read_text()
    for option in (word for word in words if word.startswith("--")):
        assert f'"{option}"' in text, f"{script.name} has no {option}"


def test_every_block_has_a_language_that_is_tested() -> None:
    assert {place: name for place, name in languages().items() if name not in LANGUAGES} == {}


@pytest.mark.parametrize("block", BASH, ids=str)
def test_every_command_line_is_accepted(block: Block) -> None:
    if block.not_run is not None:
        pytest.skip(block.not_run)
    for words in block.commands():
        if is_tid_tune(words):
            parse(words[1:])
        elif words[0] == "make":
            targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
            assert set(words[1:]) <= set(targets)
        elif words[0] == "python":
            check_python(words)
        else:
            assert words[0] in NO_FILE, f"say why {words[0]} cannot run: <!-- not run: reason -->"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("data digits --out x --sedd 3", "--sedd"),
        ("data digits --out x --seed three", "integer"),
        ("data digits", "out"),
        ("validat search.yaml", "validat"),
    ],
)
def test_a_wrong_command_line_is_not_accepted(line: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        parse(line.split())


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: COCO, VOC and some other data, and two runs that ended."""
    monkeypatch.chdir(tmp_path)
    coco = Path("data/coco")
    write_digits(coco, images=60, val_images=6)
    for split in ("train", "val"):
        (coco / split).rename(coco / f"{split}2017")
        path = coco / "annotations" / f"instances_{split}.json"
        path.rename(path.with_name(f"instances_{split}2017.json"))
    shutil.copytree(coco, "data/street")
    shutil.copytree(coco / "val2017", "folder/of/images")
    shutil.copy(coco / "annotations/instances_val2017.json", "some.json")
    write_digits(Path("voc"), images=20, val_images=4, format="voc")
    shutil.move("voc/VOCdevkit", "data/VOCdevkit")
    write_digits(Path("voc12"), images=20, val_images=4, seed=1, format="voc")
    shutil.move("voc12/VOCdevkit/VOC2007", "data/VOCdevkit/VOC2012")
    for run in ("methods", "methods-atss", "digits-gfl-tid"):
        Path("runs", run).mkdir(parents=True)
        shutil.copy(LEDGER, f"runs/{run}/ledger.jsonl")
    return tmp_path


def test_the_light_commands_run(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = set()
    for block in (block for block in BASH if block.not_run is None):
        monkeypatch.chdir(workplace)
        for words in block.commands():
            if words[0] == "cd":
                monkeypatch.chdir(words[1])
            elif is_tid_tune(words) and words[1] in LIGHT:
                result = CliRunner().invoke(app, words[1:])
                assert result.exit_code == 0, f"{block}: {' '.join(words)}\n{result.output}"
                ran.add(parse(words[1:]))
    assert ran >= {"data digits", "data split", "data subset", "data check", "data voc-to-coco"}
    assert {"schema", "status"} <= ran
