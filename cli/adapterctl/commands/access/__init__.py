"""Who may post feedback over HTTP, and what `status` shows of it."""
