"""Functions of Evidence that return a Finding."""
