# The thin GFL learns from a wide one, which gfl_teacher.py trains first.
_base_ = "gfl_r18.py"

custom_imports = dict(imports=["tid_tune.distill.distiller"], allow_failed_imports=False)
model = dict(
    _delete_=True,
    type="Distiller",
    student=_base_.model,
    teacher=dict(
        config="trainables/configs/digits/gfl_teacher.py",
        checkpoint="runs/teacher-digits-gfl/checkpoint.pth",
    ),
    distillation=dict(method="tid"),
)
