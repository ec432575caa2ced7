"""What teachers were asked and answered, and the examples that were made of it."""
