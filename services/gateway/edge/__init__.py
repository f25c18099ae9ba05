"""Run the HTTP server and apply what every request and response passes through."""
