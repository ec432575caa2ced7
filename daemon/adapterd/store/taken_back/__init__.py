"""What was taken back: the removals, and the hashes that stay of what they removed."""
