"""Released: reads and writes the files of the released ELQ."""
