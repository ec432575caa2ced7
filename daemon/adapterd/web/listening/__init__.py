"""Where the server listens, which connections it keeps when there are too many, and what it refused."""
