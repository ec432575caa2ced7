"""The page's one style sheet and one script."""
