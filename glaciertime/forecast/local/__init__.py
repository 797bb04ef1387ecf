"""Forecasters of one series: what it says of its own future."""
