"""Names: words to the entities that they may mean."""
