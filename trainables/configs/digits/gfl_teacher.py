# tid-tune train trainables/configs/digits/gfl_teacher.py --work-dir runs/teacher-digits-gfl
_base_ = ["_base_/digits.py", "_base_/gfl.py", "_base_/schedule.py"]

model = dict(
    backbone=dict(base_channels=32),
    neck=dict(in_channels=[64, 128, 256], out_channels=64),
    bbox_head=dict(in_channels=64, feat_channels=64, stacked_convs=2),
)
train_cfg = dict(max_epochs=12)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=40),
    dict(
        type="CosineAnnealingLR",
        eta_min_ratio=0.02,
        by_epoch=True,
        begin=0,
        end=12,
        T_max=12,
        convert_to_iter_based=True,
    ),
]
