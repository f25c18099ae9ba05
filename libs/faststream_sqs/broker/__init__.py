"""The broker, its routers and what they register."""
