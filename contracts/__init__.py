"""Define the commands, events and views that services exchange."""
