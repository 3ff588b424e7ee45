"""Sentences are broken between words; what is copied stays whole."""

from __future__ import annotations

import pytest

from tid_tune import console


def test_sentences_fit_the_output_and_paths_and_commands_stay_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, command = "/a/very/long/path" * 10, "`tid-tune report runs/a-search --measure`"
    console.explain(f"  warning: {path} is not there; {'it may have been moved; ' * 4}{command}\nn")
    first, *lines, last = capsys.readouterr().out.splitlines()
    assert first == "  warning:"
    assert lines[0].strip() == path, "a word that is longer than a line"
    assert all(len(line) <= console.PLAIN_WIDTH for line in lines[1:])
    assert all(line.startswith("    ") for line in lines), "deeper than the first one"
    assert any(command in line for line in lines)
    assert last == "n"
