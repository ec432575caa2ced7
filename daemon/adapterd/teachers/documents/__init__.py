"""Documents that examples are grounded in: read from a folder, and cut into passages."""
