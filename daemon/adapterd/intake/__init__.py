"""Feedback files and posted records into the store, each of them once."""
