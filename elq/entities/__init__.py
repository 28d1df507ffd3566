"""Entities: from a catalogue file to the folder that a linker searches."""
