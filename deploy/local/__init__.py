"""Run the services on a local AWS and a local Redis, without containers."""
