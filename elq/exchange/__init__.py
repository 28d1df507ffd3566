"""Reads and writes the formats of other programs: NIF, ELEVANT, CSV, Parquet and datasets."""
