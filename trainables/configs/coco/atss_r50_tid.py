# ATSS ResNet-50 learns from ATSS ResNet-101, both as published in mmdet.
# The teacher's weights:
# https://download.openmmlab.com/mmdetection/v2.0/atss/atss_r101_fpn_1x_coco/atss_r101_fpn_1x_20200825-dfcadd6f.pth
_base_ = "atss_r50.py"

custom_imports = dict(imports=["tid_tune.distill.distiller"], allow_failed_imports=False)
model = dict(
    _delete_=True,
    type="Distiller",
    student=_base_.model,
    teacher=dict(
        config="trainables/configs/coco/atss_r101.py",
        checkpoint="checkpoints/atss_r101_fpn_1x_20200825-dfcadd6f.pth",
    ),
    distillation=dict(method="tid"),
)
