"""Own mistakes of a training as lessons: answers that repeat themselves."""
