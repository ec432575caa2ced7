"""Log files are followed: one descriptor, how far a file was read, and how it is known again."""
