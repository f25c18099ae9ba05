"""The sending side."""
