"""The model, seen: what it gets wrong, its key and weak areas, and its detections.

- `drawing`: the functions of `tid-tune draw`, for scripts.
- `models` names what is looked at, `evaluated` holds a model's detections on validation images,
  `run_models` those of a run's baseline, best and teacher, once computed.
- `judged` judges each image; the images that are drawn are chosen by that.
- `error_charts`, `area_charts`: charts; `area_picture`, `detection_picture`: pictures on images.
"""
