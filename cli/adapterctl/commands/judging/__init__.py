"""Commands by which people judge answers: the page, and the same queue in a terminal."""
