"""What all pictures share: colours, line styles, sizes and file formats."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from jenacast.data import SAME_AS_NOW, SYNTHETIC_WARNING
from jenacast.errors import ConfigError
from jenacast.files import atomic_path

if TYPE_CHECKING:
    from jenacast.data.series import Floats, Times

# Okabe & Ito's palette, which colour-blind readers can tell apart
BLUE, ORANGE, GREEN, GREY, BLACK = "#0072B2", "#D55E00", "#009E73", "#7F7F7F", "#000000"
# Smith & van der Walt's viridis without its palest end, for what goes from small to large; no hue is needed to read it
RAMP = ("#440154", "#453781", "#32648e", "#228b8d", "#2cb17e", "#7ad151")

# The looks of what many pictures show; on a grey print the line style, the width or the marker tells it apart
TRUTH: dict[str, Any] = {"color": BLACK, "linewidth": 1.0}
FORECAST: dict[str, Any] = {"color": ORANGE, "linewidth": 1.8}
REFERENCE: dict[str, Any] = {"color": GREY, "linestyle": "--", "linewidth": 1.3}
BASELINE: dict[str, Any] = REFERENCE | {"label": f"baseline: {SAME_AS_NOW}"}
BASELINE_POINT: dict[str, Any] = BASELINE | {"linestyle": "", "marker": "D", "markerfacecolor": "none"}
TIME_LABEL = "time (the station's clock)"

# The low and high ends of intervals, by the percentage of cases that they should hold
Bands: TypeAlias = "Mapping[str, tuple[Floats, Floats]]"
BAND_ALPHA = 0.2  # of one band; narrow bands lie on wide ones and come out darker

LONGEST_LABEL = 40  # characters
SCREEN_WIDTH_IN, PRINT_WIDTH_IN = 9.0, 180 / 25.4
SCREEN: dict[str, Any] = {"font.size": 10}
PRINT: dict[str, Any] = {"font.size": 8, "lines.markersize": 4.5, "axes.linewidth": 0.6, "legend.fontsize": 8}
# Text stays text, to be found and read aloud, and is never read as a formula; files come out the same every time
COMMON: dict[str, Any] = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "jenacast",
    "pdf.fonttype": 42,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "timezone": "UTC",  # one of those that `rcdefaults` leaves alone
}
# Files hold the date of writing unless it is taken out
Format = Literal["png", "svg", "pdf"]
FORMATS: dict[Format, dict[str, Any]] = {
    "png": {},
    "svg": {"metadata": {"Date": None}},
    "pdf": {"metadata": {"CreationDate": None}},
}


def check_suffix(path: Path) -> Format:
    """The format that a picture's file name asks for; call it before any long work.

    Raises:
        ConfigError: the suffix is not .png, .svg or .pdf.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise ConfigError(
            f"{path} ends in {path.suffix!r}, expected .png, .svg or .pdf: the suffix says a picture's format; "
            "choose another name"
        )
    return form


@contextmanager
def figure(
    path: Path,
    title: str,
    synthetic: bool,
    *,
    rows: int = 1,
    columns: int = 1,
    height: float = 3.2,
    heights: tuple[float, ...] | None = None,
    share_x: bool = False,
    share_y: bool = False,
) -> Iterator[list[Any]]:
    """A figure with its axes, row by row, that is written to `path` when the block ends.

    It gets a legend below, which hides nothing of what is drawn, unless an axis has one or nothing has a label.

    Args:
        path: .png and .svg are for the screen, .pdf for print: 180 mm wide with letters of 8 pt.
        title: of the figure; "" for none.
        synthetic: whether the series is made up, which the title then says.
        rows: of axes.
        columns: of axes.
        height: inches of one row on the screen.
        heights: the rows' shares of the height, where they differ.
        share_x: whether all axes have one horizontal scale in common.
        share_y: whether they have one vertical scale in common.

    Raises:
        ConfigError: an unknown format.
    """
    form = check_suffix(path)
    import matplotlib
    from matplotlib.figure import Figure

    width = PRINT_WIDTH_IN if form == "pdf" else SCREEN_WIDTH_IN
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # whatever a matplotlibrc says, perhaps one of the working directory
        look: Any = COMMON | (PRINT if form == "pdf" else SCREEN)
        matplotlib.rcParams.update(look)
        warnings.filterwarnings("ignore", message="Glyph")  # a name in a script that the font lacks
        size = (width, height * rows * width / SCREEN_WIDTH_IN)
        made = Figure(figsize=size, dpi=120, layout="constrained")
        axes = made.subplots(rows, columns, squeeze=False, sharex=share_x, sharey=share_y, height_ratios=heights)
        made.suptitle("  —  ".join([title] * bool(title) + [SYNTHETIC_WARNING] * synthetic))
        yield list(axes.ravel())
        has_labels = any(axis.get_legend_handles_labels()[0] for axis in made.axes)
        if has_labels and not any(axis.get_legend() for axis in made.axes):
            made.legend(loc="outside lower center", ncols=3, frameon=False)
        with atomic_path(path) as temporary:
            made.savefig(temporary, format=form, **FORMATS[form])


def time_axis(axis: Any) -> None:
    """Make the horizontal axis one of times, with short labels and the name of the clock."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator: Any = AutoDateLocator()  # type: ignore[no-untyped-call]  # matplotlib types its dates in part only
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axis.set_xlabel(TIME_LABEL)


def with_gaps(times: "Times", *series: "Floats") -> tuple[Any, ...]:
    """The times and (times,) series, with a NaN in each gap, so that no line is drawn across it.

    A gap is a step of more than 1.5 times the commonest step.
    """
    import numpy as np

    if len(times) < 3:
        return (times, *series)
    steps = np.diff(times.astype("datetime64[s]").astype(np.int64))
    sizes, counts = np.unique(steps, return_counts=True)
    after = np.flatnonzero(steps > 1.5 * sizes[np.argmax(counts)]) + 1
    return (np.insert(times, after, times[after]), *(np.insert(np.asarray(s, float), after, np.nan) for s in series))


def draw_bands(axis: Any, times: Any, bands: Bands) -> None:
    """Draw the intervals around a forecast, the widest first, each with its label."""
    for number, level in enumerate(sorted(bands, key=float, reverse=True), start=1):
        axis.fill_between(times, *bands[level], color=ORANGE, alpha=BAND_ALPHA, linewidth=0)
        as_seen = 1 - (1 - BAND_ALPHA) ** number
        axis.fill([], [], color=ORANGE, alpha=as_seen, linewidth=0, label=f"{level} % interval")


def error_bars(middles: Sequence[float], ends: Sequence[tuple[float, float] | None]) -> Any:
    """(2, points) lengths of error bars from the middles down and up to the ends; NaN where there are none."""
    import numpy as np

    known = np.array([pair or (np.nan, np.nan) for pair in ends], float).reshape(-1, 2)
    return np.abs(known.T - np.asarray(middles, float))


def name_rows(axis: Any, names: Sequence[str]) -> None:
    """Let the vertical axis be rows from the top, one for each name; long names lose their middle."""
    ticks = {"yticks": range(len(names)), "yticklabels": [shorten_middle(name) for name in names]}
    axis.set(**ticks, ylim=(max(len(names), 1) - 0.5, -0.5))


def shorten_middle(label: str, longest: int = LONGEST_LABEL) -> str:
    """A label that leaves room for the picture: a long one, such as a folder's name, loses its middle."""
    return label if len(label) <= longest else f"{label[: longest // 2]}…{label[-longest // 2 :]}"
