"""Proof that a base can be used here: a version that changes nothing is served, and compared with its base."""
