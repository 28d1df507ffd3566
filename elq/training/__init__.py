"""Training: makes a model folder from annotated questions."""
