"""The network: a score for every span, a vector for every mention."""
