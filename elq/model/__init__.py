"""The network: gives every span a score and every mention a vector."""
