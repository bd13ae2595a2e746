"""Data without data: a model is asked until it says what it holds."""
