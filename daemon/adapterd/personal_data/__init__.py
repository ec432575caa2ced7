"""Secrets and personal data in text: keys, e-mail addresses, telephone, bank account and card numbers."""
