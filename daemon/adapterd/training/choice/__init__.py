"""Which adapter of a training is taken: the best ones are kept, and answer prompts of the validation set."""
