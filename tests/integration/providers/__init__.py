"""Training providers with real, tiny trainings."""
