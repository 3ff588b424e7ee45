"""What configs import: modules of the current folder, and types in the pure-Python style."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tid_tune.distill.model_config import is_distiller
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.configs import get_value, load_config

RUNTIME = "default_scope = None\n"
PURE = """
from mmengine.config import read_base

with read_base():
    from .runtime import *

from my_parts import OwnHead
from mmcv.transforms import LoadImageFromFile
from mmdet.models import GFL as Detector
from mmengine.dataset import pseudo_collate
from tid_tune.distill.distiller import Distiller
from torch.optim import AdamW

custom_imports = dict(imports=["my_parts"], allow_failed_imports=False)
student = dict(type=Detector, bbox_head=dict(type=OwnHead, strides=(8, 16)))
model = dict(type=Distiller, student=student)
train_dataloader = dict(
    collate_fn=pseudo_collate, dataset=dict(pipeline=[dict(type=LoadImageFromFile)])
)
optim_wrapper = dict(optimizer=dict(type=AdamW, lr=0.01))
"""
CUSTOM = "custom_imports = dict(imports=['my_parts'], allow_failed_imports={})\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder with a pure-Python config, which is not in the path of imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [item for item in sys.path if item])
    Path("pure.py").write_text(PURE)
    Path("runtime.py").write_text(RUNTIME)
    Path("my_parts.py").write_text("class OwnHead:\n    pass\n")
    yield tmp_path
    sys.modules.pop("my_parts", None)


@pytest.mark.parametrize("imports", [False, True])
def test_types_of_the_pure_python_style_become_names(project: Path, imports: bool) -> None:
    config = load_config("pure.py", {"model.student.bbox_head.strides": [4, 8]}, imports=imports)
    assert is_distiller(config.model)
    assert config.model.student.type == "GFL"
    assert config.model.student.bbox_head == {"type": "my_parts.OwnHead", "strides": (4, 8)}
    assert get_value(config, "train_dataloader.dataset.pipeline.0.type") == "LoadImageFromFile"
    assert get_value(config, "optim_wrapper.optimizer.type") == "torch.optim.AdamW"
    assert config.default_scope == "mmdet"
    assert "Detector" not in config


def test_the_names_build_what_the_classes_would_have(project: Path) -> None:
    import torch
    from mmengine.dataset import pseudo_collate
    from mmengine.registry import OPTIMIZERS

    from tid_tune.distill.distiller import Distiller
    from tid_tune.openmmlab.registries import MODELS

    config = load_config("pure.py")
    assert MODELS.get(config.model.type) is Distiller
    assert MODELS.get(config.model.student.bbox_head.type) is sys.modules["my_parts"].OwnHead
    assert OPTIMIZERS.get(config.optim_wrapper.optimizer.type) is torch.optim.AdamW
    assert config.train_dataloader.collate_fn is pseudo_collate


def test_reading_the_pure_python_style_without_imports_imports_nothing_heavy(project: Path) -> None:
    code = (
        "import sys; from tid_tune.openmmlab.configs import load_config\n"
        "config = load_config('pure.py', imports=False); config.pretty_text; config.model.type\n"
        "sys.exit(' '.join({'torch', 'mmdet', 'my_parts'} & sys.modules.keys()) or None)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("style", ["", "from mmdet.models import GFL\n"])
def test_modules_of_the_current_folder_are_found(project: Path, style: str) -> None:
    Path("config.py").write_text(style + CUSTOM.format(False))
    load_config("config.py")
    assert "my_parts" in sys.modules


@pytest.mark.parametrize("style", ["", "from mmdet.models import GFL\n"])
def test_a_module_that_is_not_found_is_named_with_the_places_and_the_fix(
    project: Path, style: str
) -> None:
    Path("my_parts.py").unlink()
    Path("config.py").write_text(style + CUSTOM.format(False))
    with pytest.raises(ConfigError, match=r"config\.py.*my_parts.*PYTHONPATH") as caught:
        load_config("config.py")
    assert str(project) in str(caught.value)
    Path("config.py").write_text(style + CUSTOM.format(True))
    load_config("config.py")


@pytest.mark.parametrize("wanted", ["'my_parts'", "dict(imports=[3])", "dict(import_=['x'])"])
def test_custom_imports_of_another_form_are_refused(project: Path, wanted: str) -> None:
    Path("config.py").write_text(f"custom_imports = {wanted}\n")
    with pytest.raises(ConfigError, match=r"custom_imports .*expected"):
        load_config("config.py")


def test_a_type_that_cannot_be_imported_is_named(project: Path) -> None:
    Path("config.py").write_text("from no_such_package import Head\nhead = dict(type=Head)\n")
    with pytest.raises(ConfigError, match=r"config\.py.*no_such_package"):
        load_config("config.py")
