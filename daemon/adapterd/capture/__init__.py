"""Capture: a pass-through in front of Ollama, and a recorder of the conversations that go through it."""
