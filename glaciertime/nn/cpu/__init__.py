"""Scans compiled for the CPU by numba, with their own backward pass."""
