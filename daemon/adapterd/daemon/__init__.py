"""The background process: when a run begins, and why not yet; it watches, keeps house, and explains itself."""
