"""Structure-aware mutation of every input that the package reads; run by ``scripts/fuzz.py``."""
