"""The segmentation architectures, each behind one name in :mod:`.registry`."""
