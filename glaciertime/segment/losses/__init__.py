"""Losses that networks are trained on."""
