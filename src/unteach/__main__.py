"""`python -m unteach`: the same commands, where the script is not on the path."""

from unteach.cli import main

if __name__ == "__main__":
    main()
