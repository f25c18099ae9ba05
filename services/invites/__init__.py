"""Invitations by e-mail, and what became of them."""
