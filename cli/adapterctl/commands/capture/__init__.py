"""adapterctl capture: recording the conversations that applications have with Ollama."""

from adapterctl.commands.capture.group import capture

__all__ = ["capture"]
