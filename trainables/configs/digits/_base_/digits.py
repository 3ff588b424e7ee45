# The digits demo data (`tid-tune data digits --out data/digits`): 10 classes, 128x128 pixels.
_classes = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")

# A mirrored digit is no digit: nothing is flipped.
_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale=(128, 128), keep_ratio=True),
    dict(type="RandomFlip", prob=0.0),
    dict(type="PackDetInputs"),
]

train_dataloader = dict(
    # Not smaller: 4 gives a better student, and a demo that takes too long.
    batch_size=8,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="CocoDataset",
        data_root="data/digits/",
        ann_file="annotations/instances_train.json",
        data_prefix=dict(img="train/"),
        metainfo=dict(classes=_classes),
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=20,
    num_workers=0,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="CocoDataset",
        data_root="data/digits/",
        ann_file="annotations/instances_val.json",
        data_prefix=dict(img="val/"),
        metainfo=dict(classes=_classes),
        test_mode=True,
        pipeline=_pipeline,
    ),
)
val_evaluator = dict(
    type="CocoMetric", ann_file="data/digits/annotations/instances_val.json", metric="bbox"
)
val_cfg = dict(type="ValLoop")
