"""Records become sets: what is trained on, what chooses the best step, and what judges and is never trained on."""
