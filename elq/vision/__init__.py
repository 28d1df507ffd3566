"""Reads pictures, and turns them into vectors."""
