"""What people said of captured answers, and of two answers beside each other."""
