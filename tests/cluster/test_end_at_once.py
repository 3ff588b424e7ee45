"""A second Ctrl-C ends the command with a line, at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tid_tune.cli import run as command


def test_an_interrupted_interruption_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr("tid_tune.searchfile.load", lambda *arguments: None)
    monkeypatch.setattr("tid_tune.cluster.driver.run_search", interrupted)
    monkeypatch.setattr("os._exit", leave)
    with pytest.raises(SystemExit) as ended:
        command.run(Path("space.yaml"))
    assert ended.value.code == 130
    said: Any = capsys.readouterr()
    assert "same command resumes" in said.err + said.out
