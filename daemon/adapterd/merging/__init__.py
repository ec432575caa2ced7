"""The adapter goes into the base's own file: same tensors, same types, same size."""
