"""Public benchmarks and the embedded world as named sources, one file each."""
