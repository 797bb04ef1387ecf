"""A region's own reading: totals with the correlation of errors, completeness, ranking; inventories compared."""
