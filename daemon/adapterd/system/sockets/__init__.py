"""Sockets of this machine: a Unix socket of the user's own, TCP on loopback, and who is at the other end."""
