"""mimic."""
