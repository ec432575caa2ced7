"""Commands on what fresh cases say: evidence, challenger, watch."""
