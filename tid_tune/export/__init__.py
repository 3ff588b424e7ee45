"""Take a trained student out: a plain mmdet config and checkpoint, and ONNX."""

from tid_tune.export.folder import Exported, export_student

__all__ = ["Exported", "export_student"]
