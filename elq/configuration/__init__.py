"""Configuration: mends and explains the settings that a user gives."""
