"""load_config: edits by dotted path, and errors that say what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tid_tune.errors import ConfigError
from tid_tune.openmmlab.configs import get_value, load_config

TEXT = """
train_pipeline = [dict(type='LoadImageFromFile'), dict(type='RandomFlip', prob=0.5)]
model = dict(
    type='Distiller',
    student=dict(type='GFL', bbox_head=dict(num_classes=10, ratios=(1.0, 2.0))),
    distillation=dict(method='tid', loss_weight=1.0))
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.01), clip_grad=None,
    paramwise_cfg=dict(custom_keys={'backbone.layer1': dict(lr_mult=0.1)}))
scales = [dict(type='Resize', scale=(64, 32)), dict(type='RandomChoiceResize', scales=[(8, 4)])]
train_dataloader = dict(dataset=dict(ann_file='data/x.json', pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=scales))
param_scheduler = [dict(type='LinearLR', end=5), dict(type='MultiStepLR', milestones=[8, 11])]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "config.py"
    file.write_text(TEXT)
    return file


@pytest.mark.parametrize(
    ("dotted", "value"),
    [
        ("optim_wrapper.optimizer.lr", 0.5),
        ("param_scheduler.1.milestones", [3, 4]),
        ("param_scheduler.1.milestones.0", 7),
        ("model.student.bbox_head.ratios.1", 4.0),
        ("train_dataloader.dataset.pipeline.1.prob", 0.0),
        ("optim_wrapper.clip_grad", {"max_norm": 3}),
        ("model.distillation.key_weight", 2.0),
        ("model.distillation.method", "none"),
        ("optim_wrapper.paramwise_cfg.custom_keys.'backbone.layer1'.lr_mult", 0.5),
        ('optim_wrapper.paramwise_cfg.custom_keys."backbone.layer1".lr_mult', 0.5),
    ],
)
def test_an_edit_changes_that_value_and_nothing_else(
    path: Path, dotted: str, value: object
) -> None:
    before, after = (
        load_config(path, imports=False),
        load_config(path, {dotted: value}, imports=False),
    )
    assert get_value(after, dotted) == value
    top = dotted.split(".")[0]
    assert {k: v for k, v in after.items() if k != top} == {
        k: v for k, v in before.items() if k != top
    }


PIPELINE = "val_dataloader.dataset.pipeline"


@pytest.mark.parametrize(
    ("dotted", "value", "wanted"),
    [
        (f"{PIPELINE}.0.scale", [96, 48], (96, 48)),
        (f"{PIPELINE}.0.scale", (96, 48), (96, 48)),
        (f"{PIPELINE}.0", {"type": "Resize", "scale": [9, 4]}, {"type": "Resize", "scale": (9, 4)}),
        (f"{PIPELINE}.1.scales", [[96, 48], [64, 64]], [(96, 48), (64, 64)]),
        (f"{PIPELINE}", [{"type": "RandomChoiceResize", "scales": [[9, 9]]}],
         [{"type": "RandomChoiceResize", "scales": [(9, 9)]}]),
        ("model.student.bbox_head.ratios", [3.0], (3.0,)),
        ("param_scheduler.1.milestones", [3, 4], [3, 4]),
        ("model.distillation.area", [3, 4], [3, 4]),
    ],
)  # fmt: skip
def test_a_list_becomes_a_tuple_where_the_config_has_one(
    path: Path, dotted: str, value: object, wanted: object
) -> None:
    """YAML and the ledger have lists alone; mmdet's transforms tell `[96, 48]` from `(96, 48)`."""
    found = get_value(load_config(path, {dotted: value}, imports=False), dotted)
    assert found == wanted
    assert _types(found) == _types(wanted)


def _types(value: object) -> object:
    if isinstance(value, dict):
        return {key: _types(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [_types(part) for part in value]
    return type(value)


def test_a_dict_given_by_an_edit_reads_like_the_rest_of_the_config(path: Path) -> None:
    config = load_config(path, {"optim_wrapper.clip_grad": {"max_norm": 3}}, imports=False)
    assert config.optim_wrapper.clip_grad.max_norm == 3


@pytest.mark.parametrize(
    ("dotted", "hint"),
    [
        ("optim_wrapper.optimiser.lr", r"Did you mean `optim_wrapper\.optimizer\.lr`"),
        ("optim_wrapper.optimizer.xyzzy", r"nearest .* `optim_wrapper\.optimizer`"),
        ("modle.student", r"Did you mean `model\.student`"),
        ("param_scheduler.2.end", r"list of 2 entries"),
        ("param_scheduler.end", r"list of 2 entries"),
        ("optim_wrapper.clip_grad.max_norm", r"`optim_wrapper\.clip_grad` is None"),
        ("model.distilation.loss_weight", r"Did you mean `model\.distillation\.loss_weight`"),
        ("optimizer.lr", r"Did you mean `optim_wrapper\.optimizer\.lr`\?$"),
        ("lr", r"Did you mean `optim_wrapper\.optimizer\.lr`\?$"),
        ("model.bbox_head.num_classes", r"Did you mean `model\.student\.bbox_head\.num_classes`"),
        ("optim_wrapper.paramwise_cfg.custom_keys.backbone.layer1.lr_mult",
         r"Did you mean `optim_wrapper\.paramwise_cfg\.custom_keys\.'backbone\.layer1'\.lr_mult`"),
    ],
)  # fmt: skip
def test_a_path_that_is_not_there_is_an_error_with_the_nearest_one(
    path: Path, dotted: str, hint: str
) -> None:
    with pytest.raises(ConfigError, match=hint):
        load_config(path, {dotted: 1}, imports=False)


def test_editing_a_helper_variable_is_refused_and_says_where_it_is_used(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`train_dataloader\.dataset\.pipeline\.1\.prob`"):
        load_config(path, {"train_pipeline.1.prob": 0.0}, imports=False)


def test_file_names_in_a_config_stay_as_written(path: Path) -> None:
    assert load_config(path, imports=False).train_dataloader.dataset.ann_file == "data/x.json"


def test_base_files_are_found_next_to_the_config(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "child.py").write_text("_base_ = './config.py'\noptim_wrapper = dict(x=1)\n")
    monkeypatch.chdir("/")
    config = load_config(tmp_path / "child.py", imports=False)
    assert config.optim_wrapper.optimizer.lr == 0.01


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model = dict(", "SyntaxError|was never closed"),
        ("model = undefined_name", "undefined_name"),
        ("_base_ = 'missing.py'", "missing.py"),
        ("custom_imports = dict(imports=['no_such_module_x'], allow_failed_imports=False)",
         "no_such_module_x"),
    ],
)  # fmt: skip
def test_a_broken_config_is_a_config_error_naming_the_file_and_the_cause(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "broken.py"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        load_config(file)
    assert "broken.py" in str(caught.value)


def test_a_missing_config_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no config file .*nowhere\.py"):
        load_config("nowhere.py")
