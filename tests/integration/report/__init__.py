"""The report as a page: drawn with real charts, read as a browser reads it."""
