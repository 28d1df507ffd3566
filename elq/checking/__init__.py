"""Checks a catalogue file, and says what is doubtful in it and what should be added first."""
