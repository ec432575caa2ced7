"""Own mistakes of a training: answers that repeat themselves, and their unlearning."""
