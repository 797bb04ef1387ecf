"""What one scene shows: areas, boundaries and the calving front of a mask, an outline or a traced line."""
