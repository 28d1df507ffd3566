"""Sources: makes a catalogue file of a dump, a thesaurus, a table or another file that people have."""
