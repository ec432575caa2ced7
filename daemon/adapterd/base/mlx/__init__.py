"""The served file's weights as an MLX model, quantised as they are."""
