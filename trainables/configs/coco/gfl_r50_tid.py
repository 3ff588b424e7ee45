# GFL ResNet-50 learns from GFL ResNet-101, both as published in mmdet.
# The teacher's weights:
# https://download.openmmlab.com/mmdetection/v2.0/gfl/gfl_r101_fpn_mstrain_2x_coco/gfl_r101_fpn_mstrain_2x_coco_20200629_200126-dd12f847.pth
_base_ = "gfl_r50.py"

custom_imports = dict(imports=["tid_tune.distill.distiller"], allow_failed_imports=False)
model = dict(
    _delete_=True,
    type="Distiller",
    student=_base_.model,
    teacher=dict(
        config="trainables/configs/coco/gfl_r101.py",
        checkpoint="checkpoints/gfl_r101_fpn_mstrain_2x_coco_20200629_200126-dd12f847.pth",
    ),
    distillation=dict(method="tid"),
)
