"""prepare(): quiet, repeatable, and in charge of the default scope."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.registry import DefaultScope

from tid_tune.openmmlab.setup import prepare


def test_prepare_twice_leaves_mmdet_as_the_default_scope() -> None:
    prepare()
    prepare()
    assert DefaultScope.get_current_instance().scope_name == "mmdet"


def test_prepare_takes_the_scope_back_from_another_package() -> None:
    prepare()
    DefaultScope.get_instance("another", scope_name="mmengine")
    prepare()
    assert DefaultScope.get_current_instance().scope_name == "mmdet"


def test_a_fresh_process_prepares_without_a_word() -> None:
    code = (
        "from tid_tune.openmmlab.setup import prepare; prepare()\n"
        "from mmdet.registry import MODELS; assert 'GFL' in MODELS.module_dict"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_mmdet_offers_can_be_imported_first_in_a_process() -> None:
    code = (
        "from tid_tune.openmmlab.models import BaseDetector, build_model\n"
        "from tid_tune.openmmlab.registries import MODELS; assert 'GFL' in MODELS.module_dict\n"
        "assert issubclass(MODELS.get('GFL'), BaseDetector)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_type_without_dots_imports_no_module_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search space may name a type, and a file beside it must not run for that."""
    prepare()
    from mmdet.registry import MODELS

    (tmp_path / "unregistered_type.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    assert MODELS.get("unregistered_type") is None
    assert not (tmp_path / "ran").exists()
    assert MODELS.get("torch.nn.ReLU").__name__ == "ReLU", "a config may"
