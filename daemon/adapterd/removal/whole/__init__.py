"""Being rid of a whole model, or of adapterd itself: what goes, what stays, and what Ollama keeps."""
