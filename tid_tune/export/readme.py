"""The README.md of an exported student."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tid_tune.export.origin import VALUES, Origin
from tid_tune.export.transforms import Preprocessing, Resizing, find_resizing, preprocessing
from tid_tune.openmmlab.configs import Config
from tid_tune.searchfile.checks.data import leaf_datasets
from tid_tune.words import counted

if TYPE_CHECKING:
    from tid_tune.export.onnx import Onnx

_HEAD = """\
# {model}, {count}

A detector for mmdet; nothing here needs the tool that trained it.

| File | What it is |
|---|---|
| `config.py` | an ordinary mmdet config; its data paths are relative to the current folder |
| `checkpoint.pth` | the weights; `meta` has the class names and where the weights come from |
{rows}| `run_without_ops.py` | only for an mmcv without compiled ops, see below |

Classes, by label from 0: {classes}
{data}
"""

_USE = """\
## Detect

In this folder:

    import runpy

    runpy.run_path("run_without_ops.py")["install"]()
    from mmdet.apis import inference_detector, init_detector

    detector = init_detector("config.py", "checkpoint.pth", device="cpu")
    found = inference_detector(detector, "image.jpg").pred_instances
    sure = found[found.scores > 0.3]

`found` has a row for each object, the highest score first: `found.bboxes` (left, top, right,
bottom in pixels of the image), `found.labels` (the numbers of the classes above) and
`found.scores` (0 to 1). The model itself reports {reported}, most of them
with low scores: mAP counts them, an application does not want them. `sure` has those above 0.3;
choose the limit that suits you.

mmdet prints some messages that mean no harm: `Could not import OneDL`, `num_anchors is deprecated`,
`Failed to search registry with scope "mmdet"` and `Failed to add ... LocalVisBackend`.

The line with `run_without_ops.py` is for an mmcv without its compiled ops (`mmcv._ext`), with which
mmdet cannot be imported: it gives mmcv torchvision's non-maximum suppression. It must come before
mmdet is imported. Where mmcv has its ops, it changes nothing. mmdet's `DetInferencer` runs the same
way:

    import runpy

    runpy.run_path("run_without_ops.py")["install"]()
    from mmdet.apis import DetInferencer

    detect = DetInferencer("config.py", "checkpoint.pth", device="cpu")
    found = detect("image.jpg", no_save_vis=True)["predictions"]

## Evaluate

From the folder that the data's paths are relative to, with EXPORT for this folder:

    TEST=$(python -c "import mmdet, os; print(os.path.dirname(mmdet.__file__))")/.mim/tools/test.py
    python EXPORT/run_without_ops.py $TEST EXPORT/config.py EXPORT/checkpoint.pth

(In a source checkout of mmdet the script is `tools/test.py`.) Where mmcv has its compiled ops, the
script can also be run without `run_without_ops.py` before it.

## Input

{channels} images, {resizing}. Values 0 to 255, {normalization}Height and width are padded at the
right and bottom with {pad_value} to multiples of {divisor}.
"""

_GRAPH = """
## ONNX

`model.onnx` has the network and the decoding of boxes, without non-maximum suppression.

- Input `images`, float32 [N, 3, {height}, {width}]: prepared as above. N is free.{upright}
- Output `boxes`, float32 [N, P, 4]: left, top, right, bottom in pixels of the input.
- Output `scores`, float32 [N, P, {count}]: probability of each class.
{factor}
To get what mmdet gives: keep scores above {score_thr}{keep}, {product}clip the boxes to the image
without its padding, drop those left without area, suppress the lesser of boxes of one class whose
IoU is above {iou}, keep the best {most} and divide the boxes by the factor the image was
resized by.
"""

_UPRIGHT = """
  Height and width are not. An image of other shape, such as an upright one, does not fit: write a
  second graph (`--size {width}x{height}`), or resize it further until it does."""

_FACTOR = "- Output `centerness`, float32 [N, P]: how near the point is to an object's center.\n"


def readme(
    config: Config, classes: Sequence[str], graph: Onnx | None, origin: Origin | None = None
) -> str:
    """Return the text: what the model is, how to run it, and what goes in and comes out."""
    settings, head = preprocessing(config), config.model.get("bbox_head") or {}
    names = ", ".join(map(str, classes)) or "as in the data's annotations"
    rows = {
        "| `model.onnx` | the network as a graph, see below |\n": graph,
        f"| `{VALUES}` | the searched values |\n": origin,
    }
    count = len(classes) or int(head.get("num_classes", 0))
    head_text = _HEAD.format(
        model=config.model.type,
        count=counted(count, "class"),
        classes=names,
        rows="".join(row for row, known in rows.items() if known is not None),
        data=_data_text(config),
    )
    test = config.model.get("test_cfg") or {}
    use = _USE.format(
        reported=_reported_text(test.get("score_thr"), test.get("max_per_img")),
        resizing=_resizing_text(find_resizing(config)),
        channels="RGB" if settings.get("bgr_to_rgb") else "BGR",
        normalization=_normalization(settings),
        pad_value=settings.get("pad_value", 0),
        divisor=settings.get("pad_size_divisor", 1),
    )
    parts = [head_text, f"{origin.card()}\n" if origin else "", use]
    return "".join(parts) + ("" if graph is None else _graph_text(config, graph))


def _reported_text(least: float | None, most: int | None) -> str:
    """Return how many detections of an image there are, and of which scores."""
    number = "all detections" if most is None else f"up to {most} detections an image"
    return number if least is None else f"{number} with scores above {least}"


def _data_text(config: Config) -> str:
    """Return a line for each split with its annotation files; nothing where there are none."""
    lines = []
    for split, name in (("train", "Training"), ("val", "Validation")):
        datasets = leaf_datasets((config.get(f"{split}_dataloader") or {}).get("dataset"))
        files = [
            str(Path(str(dataset.get("data_root") or "")) / str(dataset["ann_file"]))
            for dataset in datasets
            if dataset.get("ann_file")
        ]
        if files:
            lines.append(f"\n{name} data: " + ", ".join(f"`{file}`" for file in files) + "\n")
    return "".join(lines)


def _resizing_text(resizing: Resizing | None) -> str:
    if resizing is None:
        return "resized as the test pipeline in `config.py` says"
    if not resizing.keeps_ratio:
        return f"resized to {resizing.width}x{resizing.height} (width x height)"
    longer, shorter = sorted((resizing.width, resizing.height), reverse=True)
    return (
        f"resized, keeping their ratio, until the longer side has {longer} pixels or the shorter "
        f"one {shorter}"
    )


def _normalization(settings: Preprocessing) -> str:
    if not settings.get("mean"):
        return "not normalized. "
    return f"less the mean {list(settings['mean'])} and divided by {list(settings['std'])}. "


def _graph_text(config: Config, graph: Onnx) -> str:
    test = config.model.get("test_cfg") or {}
    centered = "centerness" in graph.outputs
    before = test.get("nms_pre", -1)
    return _GRAPH.format(
        height=graph.size[0],
        width=graph.size[1],
        count=config.model.bbox_head.num_classes,
        upright=_upright_text(config, graph),
        factor=_FACTOR if centered else "",
        score_thr=test.get("score_thr", 0),
        keep=f", of each level the best {before}" if before > 0 else "",
        product="multiply them by the centerness, " if centered else "",
        iou=(test.get("nms") or {}).get("iou_threshold", 0.5),
        most=test.get("max_per_img", 100),
    )


def _upright_text(config: Config, graph: Onnx) -> str:
    """Return what to do with images of another shape than the graph's, where there can be any."""
    resizing, (height, width) = find_resizing(config), graph.size
    if resizing is None or not resizing.keeps_ratio or height == width:
        return ""
    return _UPRIGHT.format(height=height, width=width)
