"""What must not be on both sides: prompts that are nearly the same, sources, conversations."""
