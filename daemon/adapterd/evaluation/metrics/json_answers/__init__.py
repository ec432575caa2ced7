"""Answers that are to be JSON: values, fields, schemas, and the metrics of them."""
