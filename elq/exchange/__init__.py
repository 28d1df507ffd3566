"""Reads and writes the formats of other programs: NIF, BLINK, AIDA-CoNLL, ZESHEL, ELEVANT, tables and datasets."""
