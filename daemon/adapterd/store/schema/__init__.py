"""The schema of the database, step by step, and whether a database is sound."""
