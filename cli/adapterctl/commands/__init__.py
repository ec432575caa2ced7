"""One file for each group of commands; what they need beyond click they import when they are called."""
