"""Take a trained student out: a plain mmdet config and checkpoint, and ONNX."""
