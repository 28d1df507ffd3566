"""Training: questions to a model folder."""
