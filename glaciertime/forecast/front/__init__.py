"""The calving front itself, forecast as a line with bands."""
