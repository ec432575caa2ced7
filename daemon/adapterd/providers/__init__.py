"""Training providers: where the training of a run is computed, on this machine or elsewhere."""
