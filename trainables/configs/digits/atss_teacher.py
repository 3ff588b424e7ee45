# tid-tune train trainables/configs/digits/atss_teacher.py \
#     --work-dir runs/teacher-digits-atss
_base_ = "atss_r18.py"

model = dict(
    backbone=dict(base_channels=32),
    neck=dict(in_channels=[64, 128, 256], out_channels=64),
    bbox_head=dict(in_channels=64, feat_channels=64, stacked_convs=2),
)
train_dataloader = dict(batch_size=8, dataset=dict(indices=None))
train_cfg = dict(max_epochs=8)
optim_wrapper = dict(optimizer=dict(lr=6e-3))
_warmup, _decay = _base_.param_scheduler
param_scheduler = [dict(_warmup, end=150), dict(_decay, end=8, T_max=8)]
