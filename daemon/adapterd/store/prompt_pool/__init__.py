"""The pool of prompts without answers, and the databases that they are taken from."""
