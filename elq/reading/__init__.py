"""Reading: reads the lines and records of files: JSON lines, JSON, CSV and Parquet, also compressed."""
