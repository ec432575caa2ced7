"""The background process: when a run begins, and why not yet; it watches and explains itself."""
