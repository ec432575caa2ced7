"""Whole worlds of prompts, of which every leak is known, are divided into sets."""
