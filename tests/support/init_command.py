"""`tid-tune init`, as a user calls it."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner, Result

from tid_tune.cli import app
from tid_tune.shipped import files

STUDENT = """
_base_ = "mmdet::gfl/gfl_r50_fpn_1x_coco.py"
model = dict(backbone=dict(depth=18, init_cfg=None), neck=dict(in_channels=[64, 128, 256, 512]))
train_dataloader = dict(dataset=dict(
    _delete_=True, type="RepeatDataset", times=2, dataset=_base_.train_dataloader.dataset))
optim_wrapper = dict(optimizer=dict(lr=0.03))
train_cfg = dict(max_epochs=4)
"""


ALL = [space.name for space in files.spaces()]


def init(*options: object) -> Result:
    return CliRunner().invoke(app, ["init", *map(str, options)])


def refusal(*options: object) -> str:
    """What init answers to options that must be refused; the folder must not be left behind."""
    result = init(*options)
    assert result.exit_code != 0
    assert not Path(str(options[0])).exists()
    return str(result.exception)


def commands(output: str) -> list[str]:
    """The commands under "next:"."""
    return [line.strip() for line in output.partition("next:")[2].splitlines()[2::2]]


def assert_self_contained(folder: Path) -> None:
    """Files of a copy name each other, and nothing of the checkout."""
    for path in (path for path in folder.rglob("*") if path.suffix in (".py", ".yaml")):
        text = path.read_text()
        assert not re.search(r"trainables/|search_spaces/|docs/", text), path
        for file in re.findall(r"mine/[\w./]+\.(?:py|yaml)", text):
            assert Path(file).is_file(), f"{path} names {file}"
