"""Integrations: parts of elq for other programs, such as a component of spaCy pipelines."""
