"""`python -m jenacast` is the same as `jenacast`."""

from jenacast.cli import main

if __name__ == "__main__":
    main()
