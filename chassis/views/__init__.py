"""Project events into read models in Redis, read them, and rebuild them."""
