# GFL ResNet-18, 1x. mmdet has no such config, and publishes no AP of one.
_base_ = "gfl_r50.py"

model = dict(
    backbone=dict(depth=18, init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet18")),
    neck=dict(in_channels=[64, 128, 256, 512]),
)
