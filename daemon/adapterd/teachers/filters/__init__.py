"""What is kept of what a teacher made: each filter in its order, with its yield."""
