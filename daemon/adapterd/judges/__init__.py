"""Models that judge: asked which of two answers is better, and shown with how far they agree with people."""
