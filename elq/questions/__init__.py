"""Questions: reads annotated and predicted ones, and makes template questions."""
