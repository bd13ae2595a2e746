"""Functions of Scores that return an unreduced loss."""
