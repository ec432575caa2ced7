"""What a person declares of fields is done to a record here, before its format reads it."""
