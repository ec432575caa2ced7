"""Who may post feedback over HTTP, who did, what was refused, and where the daemon listens."""
