"""A GGUF becomes a tag that applications can ask: blob upload or link, registration, copies, answers."""
