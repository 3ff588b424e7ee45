"""openmmlab."""
