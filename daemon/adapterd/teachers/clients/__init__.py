"""Teachers at an address: Ollama's own API, and any server that speaks OpenAI's."""
