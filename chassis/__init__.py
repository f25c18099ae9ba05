"""The machine that every service bolts on to; it knows no business word."""
