# PASCAL VOC in its own layout, under data/VOCdevkit: trained on trainval of 2007 and 2012, measured
# on test of 2007. Values are those of mmdet's `_base_/datasets/voc0712.py`, without its repetition:
# a shorter epoch gives a search more points to compare trials at. Measured by both metrics.
_train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale=(1000, 600), keep_ratio=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
_val_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(1000, 600), keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(
        type="PackDetInputs",
        # CocoMetric makes its ground truth from `instances`: VOC has no COCO annotation file.
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "instances"),
    ),
]


def _trainval(year):
    return dict(
        type="VOCDataset",
        data_root="data/VOCdevkit/",
        ann_file=f"VOC{year}/ImageSets/Main/trainval.txt",
        data_prefix=dict(sub_data_root=f"VOC{year}/"),
        filter_cfg=dict(filter_empty_gt=True, min_size=32, bbox_min_size=32),
        pipeline=_train_pipeline,
    )


voc_train = dict(
    type="ConcatDataset",
    # The years differ in `dataset_type`, by which the metric chooses its rules; training does not.
    ignore_keys=["dataset_type"],
    datasets=[_trainval(2007), _trainval(2012)],
)
voc_val = dict(
    type="VOCDataset",
    data_root="data/VOCdevkit/",
    ann_file="VOC2007/ImageSets/Main/test.txt",
    data_prefix=dict(sub_data_root="VOC2007/"),
    test_mode=True,
    pipeline=_val_pipeline,
)
voc_evaluator = [
    dict(type="CocoMetric", metric="bbox"),
    dict(type="VOCMetric", metric="mAP", eval_mode="11points"),
]
