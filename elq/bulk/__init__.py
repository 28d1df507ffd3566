"""Links many files in many processes or on many machines, and builds entities on many machines."""
