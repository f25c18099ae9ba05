"""Define the scenarios that may be looked at while a method is tuned."""
