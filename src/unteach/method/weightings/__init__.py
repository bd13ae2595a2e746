"""Functions of Scores that return a detached weight."""
