"""Standard input, output and error of a command or the daemon, in whatever state they are."""
