"""Tiny models are really trained here; the pieces of which training consists are tested in tests/unit/training."""
