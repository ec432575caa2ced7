"""Records that are held or released, prompts without answers, and what the base makes of the examples."""
