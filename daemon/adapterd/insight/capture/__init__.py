"""Capture as `status` and `doctor` tell of it, and what the history has of it."""
