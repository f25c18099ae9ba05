"""The language: the commands, events and views that services say to one another."""
