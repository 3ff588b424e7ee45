"""What is known of each kind of detector: decoding, positive boxes, towers, ONNX.

One module per family of heads (`gfl`, `atss`, `retina`, `fcos`) holds all that is special about it.
Distillation methods and the ONNX export ask the adapter of a head (`heads.adapt_head`), never the
head. A package of yours adds one by `heads.register_head` and an entry point in the group
`tid_tune.heads`; `tid_tune.testing.heads` has the tests it must pass.

From outside use `heads`, `towers`, `iou_rules` and `boxes`. Nothing here depends on a distillation
method. All modules need torch.
"""
