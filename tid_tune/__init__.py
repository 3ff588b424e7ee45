"""tid-tune: search the hyperparameters of Task Integration Distillation for object detectors."""

__version__ = "0.1.0"
