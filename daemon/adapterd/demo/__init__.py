"""The whole cycle on a small real model, for anyone to watch; it uses the same commands that a person would."""
