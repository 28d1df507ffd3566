"""Search: finds the entities that are nearest to mention vectors."""
