"""What a plan has besides: the sample of a night, what may join the evaluation set, a changed recipe."""
