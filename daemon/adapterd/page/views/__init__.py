"""One module for each page: what it shows, and what its forms do, by the same functions as the command line."""
