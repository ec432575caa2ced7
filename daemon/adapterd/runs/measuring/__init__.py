"""What is measured of answers besides their text, by other means than asking: figures, by case and role."""
