"""The units of multimodal systems, each a score between a mention and its candidates."""
