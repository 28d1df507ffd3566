"""The released ELQ: its files, read and written."""
