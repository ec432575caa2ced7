"""Feedback files that were read: how far, and where they are now."""
