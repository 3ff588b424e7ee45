"""Tiny detectors and their data for the tests of evaluation and export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from tid_tune.openmmlab.configs import load_config
from tid_tune.openmmlab.setup import prepare, quiet

ANCHORS = """dict(type='AnchorGenerator', ratios=[1.0], octave_base_scale=3,
        scales_per_octave=1, strides=[8, 16, 32])"""
HEADS = {
    "GFL": f"""dict(type='GFLHead', reg_max=8, stacked_convs=1, anchor_generator={ANCHORS},
        norm_cfg=dict(type='GN', num_groups=8), loss_dfl=dict(type='DistributionFocalLoss'),
        loss_cls=dict(type='QualityFocalLoss', use_sigmoid=True, beta=2.0),
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0)""",
    "ATSS": f"""dict(type='ATSSHead', stacked_convs=1, anchor_generator={ANCHORS},
        norm_cfg=dict(type='GN', num_groups=8),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True), loss_bbox=dict(type='GIoULoss'),
        loss_centerness=dict(type='CrossEntropyLoss', use_sigmoid=True)""",
    "RetinaNet": """dict(type='RetinaHead', stacked_convs=1,
        anchor_generator=dict(type='AnchorGenerator', ratios=[0.5, 1.0, 2.0], octave_base_scale=3,
            scales_per_octave=2, strides=[8, 16, 32]),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True), loss_bbox=dict(type='L1Loss')""",
    "FCOS": """dict(type='FCOSHead', stacked_convs=1, strides=[8, 16, 32], norm_on_bbox=True,
        centerness_on_reg=True, center_sampling=True, norm_cfg=dict(type='GN', num_groups=8),
        regress_ranges=((-1, 32), (32, 64), (64, 1000)),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True), loss_bbox=dict(type='GIoULoss')""",
}
ASSIGNERS = {
    "RetinaNet": "dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0)",
    "FCOS": "None",
}
DETECTOR = """
detector = dict(
    type='{kind}',
    data_preprocessor=dict(type='DetDataPreprocessor', mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375], bgr_to_rgb=True, pad_size_divisor=32),
    backbone=dict(type='ResNet', depth=18, base_channels=8, out_indices=(1, 2, 3),
        norm_cfg=dict(type='BN'), norm_eval=False, style='pytorch'),
    neck=dict(type='FPN', in_channels=[16, 32, 64], out_channels=16, num_outs=3),
    bbox_head={head}, num_classes=10, in_channels=16, feat_channels=16),
    train_cfg=dict(assigner={assigner}, allowed_border=-1, pos_weight=-1, debug=False),
    test_cfg=dict(nms_pre=1000, min_bbox_size=0, score_thr=0.05,
        nms=dict(type='nms', iou_threshold=0.6), max_per_img=100))
"""
DATA = """
pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(128, 128)),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))]
def loader(split):
    return dict(batch_size=8, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(type='CocoDataset', data_root={root!r},
            ann_file=f'annotations/instances_{{split}}.json', data_prefix=dict(img=split + '/'),
            metainfo=dict(classes=tuple('0123456789')), test_mode=split == 'val',
            pipeline=pipeline))
train_dataloader = loader('train')
val_dataloader = loader('val')
del loader
train_cfg = dict(by_epoch=True, max_epochs=2)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
val_cfg = dict(type='ValLoop')
val_evaluator = dict(type='CocoMetric', ann_file={root!r} + '/annotations/instances_val.json')
default_scope = 'mmdet'
"""
PLAIN = "model = detector\n"
WEIGHT = "model.distillation.loss_weight"
"""The parameter of the searches that tests export from."""
DISTILLER = """
model = dict(type='Distiller', student=detector, teacher=dict(config='no/teacher.py',
    checkpoint='no/teacher.pth'), distillation=dict(method='tid', loss_weight=2.5))
custom_imports = dict(imports=['tid_tune.distill.distiller'], allow_failed_imports=False)
custom_hooks = [dict(type='EMAHook')]
work_dir = 'runs/x'
"""


def config_text(kind: str, root: Path | str = "", model: str = PLAIN) -> str:
    """The text of an mmdet config; with `root`, a digits folder, it has data."""
    detector = DETECTOR.format(
        kind=kind,
        head=HEADS[kind],
        assigner=ASSIGNERS.get(kind, "dict(type='ATSSAssigner', topk=9)"),
    )
    return detector + model + (DATA.format(root=str(root)) if root else "")


def write_config(path: Path, kind: str, root: Path | str = "", model: str = PLAIN) -> Path:
    path.write_text(config_text(kind, root, model))
    return path


def random_detector(config: Any, seed: int = 0) -> Any:
    """The config's plain detector with random weights and unequal biases, in evaluation mode."""
    prepare()
    from mmdet.registry import MODELS

    torch.manual_seed(seed)
    detector = MODELS.build(config.model)
    with quiet():
        detector.init_weights()
    for name, parameter in detector.bbox_head.named_parameters():
        if parameter.ndim == 4:
            last = name.endswith(("cls.weight", "reg.weight"))
            torch.nn.init.normal_(parameter, std=0.3 if last else 0.12)
    return detector.eval()


def trained_state(path: Path, steps: int = 60) -> dict[str, torch.Tensor]:
    """State dict of the plain GFL of the config at `path`, trained until it finds something."""
    prepare()
    from mmdet.registry import MODELS
    from mmengine.runner import Runner

    config = load_config(path)
    torch.manual_seed(0)
    detector = MODELS.build(config.model).train()
    with quiet():
        detector.init_weights()
    batches = [
        detector.data_preprocessor(batch, training=True)
        for batch in Runner.build_dataloader(config.train_dataloader, seed=0)
    ]
    optimizer = torch.optim.AdamW(detector.parameters(), lr=6e-3)
    for step in range(steps):
        batch = batches[step % len(batches)]
        losses = detector.loss(batch["inputs"], batch["data_samples"])
        optimizer.zero_grad()
        detector.parse_losses(losses)[0].backward()
        torch.nn.utils.clip_grad_norm_(detector.parameters(), 35.0)
        optimizer.step()
    return detector.state_dict()


def mmdets_metric(config: Any, state: dict[str, torch.Tensor]) -> Any:
    """CocoMetric's own report, unrounded: pycocotools on the json it wrote."""
    from mmdet.registry import METRICS, MODELS
    from mmengine.runner import Runner
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    detector = MODELS.build(config.model)
    detector.load_state_dict(state)
    detector.eval()
    loader = Runner.build_dataloader(config.val_dataloader, seed=0)
    prefix = str(Path(config.val_dataloader.dataset.data_root) / "mmdet")
    metric = METRICS.build({**config.val_evaluator, "outfile_prefix": prefix})
    metric.dataset_meta = loader.dataset.metainfo
    for batch in loader:
        with torch.no_grad():
            samples = [sample.to_dict() for sample in detector.val_step(batch)]
        metric.process(batch, samples)
    rounded = metric.evaluate(len(loader.dataset))
    wanted = COCO(config.val_evaluator.ann_file)
    evaluation = COCOeval(wanted, wanted.loadRes(f"{prefix}.bbox.json"), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return rounded, evaluation.stats, json.loads(Path(f"{prefix}.bbox.json").read_text())
