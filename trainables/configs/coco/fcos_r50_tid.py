# FCOS ResNet-50 learns from FCOS ResNet-101, both as published in mmdet.
# The teacher's weights:
# https://download.openmmlab.com/mmdetection/v2.0/fcos/fcos_r101_caffe_fpn_gn-head_mstrain_640-800_2x_coco/fcos_r101_caffe_fpn_gn-head_mstrain_640-800_2x_coco-511424d6.pth
_base_ = "fcos_r50.py"

custom_imports = dict(imports=["tid_tune.distill.distiller"], allow_failed_imports=False)
model = dict(
    _delete_=True,
    type="Distiller",
    student=_base_.model,
    teacher=dict(
        config="trainables/configs/coco/fcos_r101.py",
        checkpoint="checkpoints/fcos_r101_caffe_fpn_gn-head_mstrain_640-800_2x_coco-511424d6.pth",
    ),
    distillation=dict(method="tid"),
)
