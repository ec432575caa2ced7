"""What several tests share: tiny models, real and fake runtimes, foreign text."""
