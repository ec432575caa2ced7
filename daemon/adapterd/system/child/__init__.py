"""Child processes: a function call in one, and the messages of worker processes."""
