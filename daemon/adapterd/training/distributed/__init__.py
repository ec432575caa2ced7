"""A training on several machines: the launcher, the worker on each of them, and their process group."""
