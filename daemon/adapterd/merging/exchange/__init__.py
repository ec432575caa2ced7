"""Adapters in the formats of other programs (mlx-lm, PEFT, llama.cpp), read and written."""
