"""Searches as Ray jobs: what a job is given, submitting it, following it, stopping it."""
