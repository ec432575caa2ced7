"""What people are asked to judge."""
