"""The base families, one small module each: arguments, names, and where mlx-lm differs from llama.cpp."""
