"""What a training leaves to be resumed from: its checkpoint."""
