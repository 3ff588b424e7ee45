"""crosskd."""
