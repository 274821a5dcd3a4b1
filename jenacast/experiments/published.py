"""What others measured on this task, degC MAE: the figures `reproduce` is held against.

The book is Chollet's Deep Learning with Python, chapter 10 of the second edition; the third repeats its
figures with adam in place of rmsprop. The executions are public notebooks that ran its recipes.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """Validation and test MAE in the book, and test MAEs of independent executions; None where not given."""

    val_mae_c: float | None = None
    test_mae_c: float | None = None
    executions_c: tuple[float, ...] = ()

    @property
    def test_figures_c(self) -> tuple[float, ...]:
        """Every published test MAE, the book's first."""
        return (*([self.test_mae_c] if self.test_mae_c is not None else []), *self.executions_c)


PUBLISHED = {
    "dense": Published(val_mae_c=2.44, executions_c=(2.61, 2.64, 2.61, 2.46)),
    "conv1d": Published(val_mae_c=2.9, executions_c=(3.20, 3.44, 3.17, 3.08)),
    "lstm": Published(val_mae_c=2.39, test_mae_c=2.55, executions_c=(2.52, 2.64, 2.55)),
    "lstm-dropout": Published(val_mae_c=2.27, test_mae_c=2.45, executions_c=(2.45, 2.54)),
    "stacked-gru": Published(test_mae_c=2.39, executions_c=(2.42, 2.45, 2.43, 2.41)),
    "bidirectional-lstm": Published(executions_c=(2.60,)),
    "simple-rnn": Published(),
    "stacked-simple-rnn": Published(),
    "gru": Published(),
}
OPTIMIZERS = {2: "rmsprop", 3: "adam"}  # by edition of the book
