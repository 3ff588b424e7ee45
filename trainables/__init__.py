"""The Ray Tune trainables that search spaces name, and their mmdet configs."""
