"""What a good answer is, for each task, in Markdown."""
