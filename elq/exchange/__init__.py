"""Reads and writes the formats of other programs: NIF, BLINK, AIDA, ZESHEL, ELEVANT and tables."""
