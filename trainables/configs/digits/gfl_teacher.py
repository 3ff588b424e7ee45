# tid-tune train trainables/configs/digits/gfl_teacher.py --work-dir runs/teacher-digits-gfl
_base_ = ["_base_/digits.py", "_base_/gfl.py", "_base_/schedule.py"]

model = dict(
    backbone=dict(base_channels=24),
    neck=dict(in_channels=[48, 96, 192], out_channels=48),
    bbox_head=dict(in_channels=48, feat_channels=48, stacked_convs=2),
)
train_cfg = dict(max_epochs=8)
optim_wrapper = dict(optimizer=dict(lr=6e-3))
_warmup, _decay = _base_.param_scheduler
param_scheduler = [dict(_warmup, end=150), dict(_decay, end=8, T_max=8)]
