"""Questions: annotated ones, predicted ones, and those made from templates."""
