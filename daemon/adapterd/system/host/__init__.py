"""What the operating system gives: being woken up, staying awake, processor time of others, rights to folders."""
