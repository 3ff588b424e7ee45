# RetinaNet instead of ATSS: the same images, backbone, neck and schedule. The plain student.
_base_ = "atss_r18.py"

model = dict(
    type="RetinaNet",
    bbox_head=dict(
        _delete_=True,
        type="RetinaHead",
        num_classes=10,
        in_channels=32,
        feat_channels=32,
        stacked_convs=1,
        norm_cfg=dict(type="GN", num_groups=8, requires_grad=True),
        anchor_generator=dict(
            type="AnchorGenerator",
            ratios=[0.5, 1.0, 2.0],
            octave_base_scale=2,
            scales_per_octave=2,
            strides=[8, 16, 32],
        ),
        bbox_coder=dict(type="DeltaXYWHBBoxCoder"),
        loss_cls=dict(type="FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        loss_bbox=dict(type="L1Loss", loss_weight=1.0),
    ),
    train_cfg=dict(
        assigner=dict(
            _delete_=True,
            type="MaxIoUAssigner",
            pos_iou_thr=0.5,
            neg_iou_thr=0.4,
            min_pos_iou=0,
            ignore_iof_thr=-1,
        ),
        sampler=dict(type="PseudoSampler"),
    ),
)
