"""Search: mention vectors to entities."""
