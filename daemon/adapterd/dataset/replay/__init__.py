"""General prompts with the base's own answers, learned beside the feedback so that nothing else is forgotten."""
