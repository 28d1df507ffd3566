"""Configuration: what users write, before the training parser checks it."""
