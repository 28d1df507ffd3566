"""Finds mentions whose entity is not in the catalogue, and groups those that seem to mean one new entity."""
