"""Public: downloads questions and a catalogue from public repositories."""
