"""Longer trials, run by hand: see CONTRIBUTING.md. Each prints its figures and exits with 1 where a promise is broken."""
