"""What one stage writes and another reads: names and shapes of files, each owned once."""
