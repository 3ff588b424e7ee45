from __future__ import annotations

from pathlib import Path

import pytest
from support.small_data import document, write_data


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a dataset in `data`."""
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path / "data", document(), document())
    return tmp_path
