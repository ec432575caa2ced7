"""What judges said of two answers beside each other, and what was found when a gate looked at it."""
