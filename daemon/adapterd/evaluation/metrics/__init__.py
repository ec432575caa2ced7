"""Metrics: each makes a row of numbers of one answer."""
