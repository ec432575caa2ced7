"""Whole tiny models are computed in pieces and in quantised weights, and compared with mlx-lm."""
