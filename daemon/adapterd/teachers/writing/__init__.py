"""What a teacher is asked for each kind of example, and what its answer becomes."""
