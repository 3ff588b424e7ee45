"""These tests share the tiny detectors and the plain-Python geometry of the folder above."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
