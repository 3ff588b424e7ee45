# GFL ResNet-50 learns from GFL ResNet-101 on PASCAL VOC.
_base_ = "gfl_r50.py"

custom_imports = dict(imports=["tid_tune.distill.distiller"], allow_failed_imports=False)
model = dict(
    _delete_=True,
    type="Distiller",
    student=_base_.model,
    teacher=dict(
        config="trainables/configs/voc/gfl_r101.py",
        checkpoint="checkpoints/voc_gfl_r101/checkpoint.pth",
    ),
    distillation=dict(method="tid"),
)
