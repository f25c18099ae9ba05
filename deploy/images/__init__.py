"""Build the images of the services without a container engine, and try each of them."""
