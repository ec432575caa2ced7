"""What is in a feedback file, piece by piece: lines of JSON, a JSON document, a table; each also packed with gzip."""
