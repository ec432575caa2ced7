"""A home put together again, from a backup or without its database; nothing that was taken back comes back by it."""
