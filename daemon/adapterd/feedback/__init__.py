"""Feedback on the model's answers: files and posts are parsed into validated records, or go into quarantine.

Nothing that comes in is trusted, and nothing that comes in is lost (law 6). This package only reads and parses;
`intake` stores the result.
"""
