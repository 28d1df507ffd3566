"""Trains an image tower on pairs of pictures that show the same entity"""
