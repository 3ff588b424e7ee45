"""A run folder that was copied or moved with its project."""

from __future__ import annotations

import shutil
from pathlib import Path

from tid_tune.results.moved import fingerprint, moved_file


def test_a_config_is_found_where_its_project_was_moved(tmp_path: Path) -> None:
    old = tmp_path / "old/project"
    config = old / "configs/deep/trial.py"
    config.parent.mkdir(parents=True)
    config.write_text("model = 1")
    (old / "runs/toy").mkdir(parents=True)
    text = fingerprint(config)
    assert moved_file(config, old / "runs/toy", text) == config

    new = tmp_path / "elsewhere"
    shutil.move(old, new)
    found = new / "configs/deep/trial.py"
    assert moved_file(config, new / "runs/toy", text) == found
    found.write_text("model = 2")
    assert moved_file(config, new / "runs/toy", text) == config, "another text is another config"
    assert moved_file(config, new / "runs/toy", None) == config
