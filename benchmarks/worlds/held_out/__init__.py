"""Define the scenarios that are held out while a method is tuned."""
