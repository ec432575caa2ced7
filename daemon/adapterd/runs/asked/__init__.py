"""What is asked while a version is made: of the base, and of the adapters that a training keeps."""
