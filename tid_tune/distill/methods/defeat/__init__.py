"""defeat."""
