"""Own mistakes of a training: answers that repeat themselves, corrected or unlearned."""
