# FCOS instead of ATSS: the same images, backbone, neck and schedule. The plain student.
_base_ = "atss_r18.py"

model = dict(
    type="FCOS",
    bbox_head=dict(
        _delete_=True,
        type="FCOSHead",
        num_classes=10,
        in_channels=32,
        feat_channels=32,
        stacked_convs=1,
        norm_cfg=dict(type="GN", num_groups=8, requires_grad=True),
        strides=[8, 16, 32],
        # Each level's distances to an object's farthest edge; a digit is 16 to 48 pixels long.
        regress_ranges=((-1, 16), (16, 32), (32, 1e8)),
        norm_on_bbox=True,
        centerness_on_reg=True,
        center_sampling=True,
        conv_bias=True,
        loss_cls=dict(type="FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        loss_bbox=dict(type="GIoULoss", loss_weight=1.0),
        loss_centerness=dict(type="CrossEntropyLoss", use_sigmoid=True, loss_weight=1.0),
    ),
    train_cfg=None,
)
