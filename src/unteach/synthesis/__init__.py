"""Make data to learn from."""
