"""The pass-through: every request goes to Ollama, every answer comes back, byte by byte; a copy goes to the recorder.

It imports little, for it is always there: no settings, no store, no parsing of what is said.
"""
