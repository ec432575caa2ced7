"""What people said of captured answers, of two answers beside each other, and of answers to frozen cases."""
