"""The asv benchmarks of kdexent, one subject per module."""
