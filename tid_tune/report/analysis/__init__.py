"""Analysis of one model's detections: AP tables, precision-recall curves, and what goes wrong."""
