"""Render the OpenAPI document as one HTML page that is readable without scripts."""
