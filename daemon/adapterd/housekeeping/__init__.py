"""The store and the runtime made to agree again, and what is no longer needed removed."""
