"""What a person asks for: a run by the daemon, the registration of an adapter, the end of a run."""
