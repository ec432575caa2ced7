"""Training: the base model and a dataset in, the best LoRA adapter out. Only a worker process imports its modules."""
