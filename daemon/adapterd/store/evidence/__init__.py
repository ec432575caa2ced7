"""Comparisons of two versions on fresh cases: what was found, and the budgets of errors that they are paid from."""
