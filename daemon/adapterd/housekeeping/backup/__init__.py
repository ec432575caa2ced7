"""Backups of a home: one file with everything that cannot be made again, and a list of the digests of what is in it."""
