"""The Modelfile template, and how model families write thoughts."""
