"""Puts model folders on the Hub, with a model card."""
