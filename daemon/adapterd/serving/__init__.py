"""A GGUF becomes a tag that applications can ask: hand-over, registration, copies, answers."""
