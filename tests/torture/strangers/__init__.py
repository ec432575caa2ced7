"""Files of strangers as nobody should make them: valid ones that were mutated, and ones that lie on purpose."""
