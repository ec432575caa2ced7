"""Taking feedback back for good: its text goes from every place that is ours, and a hash of it stays."""
