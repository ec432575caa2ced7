"""What an exchange on the wire says: prompt and answer, in each of the dialects that Ollama speaks."""
