"""What is to be forgotten, kept, and never seen."""
