"""Scans in plain torch: the reference, chunks, and the form that exports."""
