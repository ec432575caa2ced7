"""The served file and everything that can read it: weights, tokenizer, template; the same weights as an MLX model."""
