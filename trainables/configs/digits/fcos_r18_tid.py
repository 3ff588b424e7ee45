# The thin FCOS learns from a wide one, which fcos_teacher.py trains first.
_base_ = "fcos_r18.py"

custom_imports = dict(imports=["tid_tune.distill.distiller"], allow_failed_imports=False)
model = dict(
    _delete_=True,
    type="Distiller",
    student=_base_.model,
    teacher=dict(
        config="trainables/configs/digits/fcos_teacher.py",
        checkpoint="runs/teacher-digits-fcos/checkpoint.pth",
    ),
    distillation=dict(method="tid"),
)
