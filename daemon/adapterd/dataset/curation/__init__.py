"""What of the usable examples is taught, and in which proportions; and the data card that says so."""
