"""Trains the units of a multimodal network on frozen features of texts and pictures."""
