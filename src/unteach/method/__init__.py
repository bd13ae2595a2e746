"""Everything that makes a model forget, one function each."""
