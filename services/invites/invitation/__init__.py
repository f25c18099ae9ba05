"""Invite one person by mail: the aggregate of `invite-…` (pure)."""
