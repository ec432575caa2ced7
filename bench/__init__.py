"""Measurements against peers, on the same machine in the same run; never asserted in tests, for machines are noisy."""
