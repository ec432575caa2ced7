"""Where Ollama and teachers are: addresses as people give them, and which of them are this machine."""
