"""Run a service: composition, command line, settings, logging, metrics and health."""
