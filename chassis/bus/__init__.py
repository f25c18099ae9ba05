"""Send and receive commands, announced events and outcomes over the message bus."""
