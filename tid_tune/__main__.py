"""`python -m tid_tune` is the same as the console script `tid-tune`."""

from tid_tune.cli import main

if __name__ == "__main__":
    main()
