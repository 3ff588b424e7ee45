# GFL ResNet-18 learns from GFL ResNet-50.
# The teacher's weights:
# https://download.openmmlab.com/mmdetection/v2.0/gfl/gfl_r50_fpn_1x_coco/gfl_r50_fpn_1x_coco_20200629_121244-25944287.pth
_base_ = "gfl_r18.py"

custom_imports = dict(imports=["tid_tune.distill.distiller"], allow_failed_imports=False)
model = dict(
    _delete_=True,
    type="Distiller",
    student=_base_.model,
    teacher=dict(
        config="trainables/configs/coco/gfl_r50.py",
        checkpoint="checkpoints/gfl_r50_fpn_1x_coco_20200629_121244-25944287.pth",
    ),
    distillation=dict(method="tid"),
)
