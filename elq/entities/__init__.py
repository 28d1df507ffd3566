"""Entities: reads catalogue files, and makes the entities folder that a linker searches."""
