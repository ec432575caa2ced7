"""One run: the pipeline of stages and its journal, from a plan to a version that is promoted or held."""
