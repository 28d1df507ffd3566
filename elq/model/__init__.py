"""The network: scores spans, and makes the vectors of mentions."""
