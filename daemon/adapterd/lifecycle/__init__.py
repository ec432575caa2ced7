"""What happens when: the pipeline of stages, its journal, promotion and rollback, the daemon."""
