"""What people are asked to judge: captured answers one by one, and two answers beside each other."""
