"""adapterctl: the thin skin for people. Parse, call one use case, render."""
