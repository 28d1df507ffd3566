"""Questions: reads annotated and predicted questions, and makes questions from template sentences."""
