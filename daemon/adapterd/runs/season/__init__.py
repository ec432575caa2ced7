"""Nights of evidence: asking fresh cases, and doing what they decide."""
