"""What the tags of a model name: init, promote, rollback, and a base that changed."""
