"""Names: finds the entities that words may mean by their names."""
