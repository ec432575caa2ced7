"""A season of evidence: which fresh cases count, what they say of a challenger and of live, and what follows."""
