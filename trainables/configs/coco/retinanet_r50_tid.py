# RetinaNet ResNet-50 learns from RetinaNet ResNet-101, both as published in mmdet.
# The teacher's weights:
# https://download.openmmlab.com/mmdetection/v2.0/retinanet/retinanet_r101_fpn_2x_coco/retinanet_r101_fpn_2x_coco_20200131-5560aee8.pth
_base_ = "retinanet_r50.py"

custom_imports = dict(imports=["tid_tune.distill.distiller"], allow_failed_imports=False)
model = dict(
    _delete_=True,
    type="Distiller",
    student=_base_.model,
    teacher=dict(
        config="trainables/configs/coco/retinanet_r101.py",
        checkpoint="checkpoints/retinanet_r101_fpn_2x_coco_20200131-5560aee8.pth",
    ),
    distillation=dict(method="tid"),
)
