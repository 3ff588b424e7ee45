"""Write configs around a detector of the user's: with other data, and as a Distiller."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tid_tune.distill.model_config import is_distiller
from tid_tune.errors import ConfigError, UsageError
from tid_tune.openmmlab.configs import load_config

if TYPE_CHECKING:
    from tid_tune.openmmlab.configs import Config

DATA_FILE = "data.py"

_DISTILLER = """\
# {about}
_base_ = {base}

custom_imports = dict(imports=["tid_tune.distill.distiller"], allow_failed_imports=False)
model = dict(
    _delete_=True,  # the student is not merged with this model, it becomes a part of it
    type="Distiller",
    student=_base_.model,
    teacher=dict(
        # From the folder you start tid-tune in.
        config={teacher},
        checkpoint={checkpoint},
    ),
    # The method and its constants; search.yaml may set each of them.
    distillation=dict(method="tid"),
)
"""

_LOADER = """\
{loader} = dict({open}
    _delete_=True,
    **_base_.{dataset},
    pipeline=_base_.{loader}.{pipeline},
{close})
"""


def base_text(config: str, home: Path) -> str:
    """Return how a config in `home` names `config` as its base."""
    if "::" in config:
        return json.dumps(config)
    return json.dumps(Path(os.path.relpath(config, home)).as_posix(), ensure_ascii=False)


def distiller_text(about: str, base: str, teacher: str, checkpoint: str) -> str:
    """Return a config that distills the teacher into the student, which is its base."""
    return _DISTILLER.format(
        about=about,
        base=base,
        teacher=json.dumps(teacher, ensure_ascii=False),
        checkpoint=json.dumps(checkpoint, ensure_ascii=False),
    )


def read_detector(option: str, name: str) -> Config:
    """Load a plain detector's config: a file, or one of mmdet's own as `mmdet::gfl/....py`.

    Raises:
        UsageError: it cannot be read, or its model is no dense detector; the message begins with
            the option.
    """
    try:
        config = _load(name)
    except ConfigError as error:
        raise UsageError(f"{option} {name}: {error}; expected an mmdet config (.py)") from error
    model = config.get("model")
    if not isinstance(model, Mapping):
        raise UsageError(f"{option} {name}: it has no model; expected an mmdet detector config")
    if is_distiller(model):
        raise UsageError(
            f"{option} {name}: its model is a Distiller already; expected the plain detector, "
            "which init puts into a Distiller"
        )
    head = model.get("bbox_head")
    if not isinstance(head, Mapping) or "type" not in head:
        raise UsageError(
            f"{option} {name}: its model {model.get('type')} has no bbox_head; expected a dense "
            "detector with a GFL, ATSS, RetinaNet or FCOS head"
        )
    return config


def _load(name: str) -> Config:
    if "::" not in name:
        if Path(name).is_file() and Path(name).suffix != ".py":
            raise ConfigError("it is no Python file")
        return load_config(name, imports=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.py")
        path.write_text(f"_base_ = {json.dumps(name)}\n", encoding="utf-8")
        try:
            return load_config(path, imports=False)
        except ConfigError as error:  # it names the temporary file, which says nothing to a user
            reason = str(error).partition(f"{path}: ")[2]
            raise ConfigError(
                f"cannot read this config of an installed package: {reason}"
            ) from error


def on_own_data(about: str, name: str, config: Config, base: str) -> str:
    """Return the config of the detector `config` on the data that DATA_FILE describes.

    Args:
        about: the comment it opens with.
        name: what the detector's config is called, for messages.
        config: the detector's config, as loaded.
        base: how the new config names it as its base.

    Raises:
        UsageError: the config does not train or does not measure.
    """
    for key in ("train_dataloader", "val_dataloader", "val_evaluator"):
        if not config.get(key):
            raise UsageError(f"{name} has no {key}, which --data would fill; add it to the config")
    text = [
        f"# {about}",
        f'_base_ = [{base}, "{DATA_FILE}"]',
        "",
        "model = dict(bbox_head=dict(num_classes=len(_base_.own_classes)))",
        _dataloader("train_dataloader", "own_train", config, name),
    ]
    for stage in ("val", "test"):
        if config.get(f"{stage}_dataloader") and config.get(f"{stage}_evaluator"):
            text += [
                _dataloader(f"{stage}_dataloader", "own_val", config, name),
                f"{stage}_evaluator = dict(_delete_=True, **_base_.own_metric)",
            ]
    return "\n".join(text) + "\n"


def _dataloader(loader: str, dataset: str, config: Config, name: str) -> str:
    """Return the lines that put `dataset` in the place of the one inside all wrappers."""
    keys, pipeline = _innermost(config[loader].get("dataset"))
    if pipeline is None:
        raise UsageError(f"{name}: {loader}.dataset has no pipeline, which --data would keep")
    opening = "".join(f"{key}=dict(" for key in keys)
    return _LOADER.format(
        loader=loader,
        dataset=dataset,
        open=opening,
        close=")" * len(keys),
        pipeline=pipeline,
    ).rstrip("\n")


def _innermost(node: object) -> tuple[list[str], str | None]:
    """Return the keys down to the dataset that reads files, and where its pipeline is.

    Of several datasets that are joined, all are replaced, and the first one's pipeline is kept.
    """
    keys, where, joined = ["dataset"], "dataset", False
    while isinstance(node, Mapping):
        if isinstance(node.get("dataset"), Mapping):
            node, where = node["dataset"], f"{where}.dataset"
            keys += [] if joined else ["dataset"]
        elif node.get("datasets"):
            node, where, joined = node["datasets"][0], f"{where}.datasets[0]", True
        else:
            return keys, f"{where}.pipeline" if node.get("pipeline") else None
    return keys, None
