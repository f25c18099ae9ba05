"""Send invitations by e-mail and record their results."""
