"""`python -m jenacast` is the same as `jenacast`; several trainings side by side start their processes with it."""

from jenacast.experiments.workers import end_with_parent

if __name__ == "__main__":
    end_with_parent()  # first: what follows takes a while
    from jenacast.cli import main

    main()
