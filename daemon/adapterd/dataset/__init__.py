"""The dataset stage: feedback records become the training, validation and frozen evaluation sets."""
