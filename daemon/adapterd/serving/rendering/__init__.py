"""Prompts by the chat template of a GGUF, which is a program of strangers: in a child process with limits."""
