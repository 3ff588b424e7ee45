from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """
model = dict(type="Distiller", student=dict(type="GFL"), teacher=dict(config="", checkpoint=""))
train_cfg = dict(max_epochs=3)
"""
SEARCH = """
name: own
trial: config.py
trainable: mine.py:Mine
baseline: false
space:
  model.distillation.loss_weight: {uniform: [1, 2]}
"""


def test_a_search_with_the_users_own_trainable_is_checked_without_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.py").write_text(CONFIG)
    Path("mine.py").write_text("")
    Path("search.yaml").write_text(SEARCH)
    code = (
        "import sys; from pathlib import Path; from tid_tune.preflight import Plan, require;"
        "from tid_tune.searchfile import load;"
        "require(Plan.of_search(load(Path('search.yaml'), check_files=False)));"
        "sys.exit(' '.join({'torch', 'mmdet', 'ray', 'mlflow'} & sys.modules.keys()) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
