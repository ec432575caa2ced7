"""The Modelfile template, and what is specific to a model family."""
