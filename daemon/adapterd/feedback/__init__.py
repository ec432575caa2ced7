"""What people say about the model's answers: files and posts become validated records, or go into quarantine.

Nothing that comes in is trusted, and nothing that comes in is lost (law 6). The room only reads and judges; the
lifecycle stores what it finds.
"""
