"""Layers that compute as llama.cpp does where mlx-lm has others, or none that a gradient passes in bounded memory."""
