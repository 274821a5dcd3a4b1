"""What all pictures share: colours, line styles, sizes and file formats."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from jenacast.errors import ConfigError
from jenacast.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jenacast.data.series import Floats, Times

# Okabe & Ito's palette, which colour-blind readers can tell apart
BLUE, ORANGE, GREEN, GREY, BLACK = "#0072B2", "#D55E00", "#009E73", "#7F7F7F", "#000000"
# Smith & van der Walt's viridis without its palest end, for what goes from small to large; no hue is needed to read it
RAMP = ("#440154", "#453781", "#32648e", "#228b8d", "#2cb17e", "#7ad151")

# How what is drawn again and again looks; on a grey print the line style, the width or the marker tells it apart
TRUTH: dict[str, Any] = {"color": BLACK, "linewidth": 1.0}
FORECAST: dict[str, Any] = {"color": ORANGE, "linewidth": 1.8}
BASELINE: dict[str, Any] = {"color": GREY, "linestyle": "--", "linewidth": 1.3}
BASELINE_POINT: dict[str, Any] = {"color": GREY, "marker": "D", "markerfacecolor": "none"}
BASELINE_LABEL = "baseline: the same as now"
TIME_LABEL = "time (the station's clock)"

# A band is named by the share of cases it should hold, in percent; narrow ones are darker
Bands: TypeAlias = "Mapping[str, tuple[Floats, Floats]]"
BAND_ALPHA = 0.2  # of one band

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
}
# The date of writing stands in a file unless it is taken out
Format = Literal["png", "svg", "pdf"]
FORMATS: dict[Format, dict[str, Any]] = {
    "png": {},
    "svg": {"metadata": {"Date": None}},
    "pdf": {"metadata": {"CreationDate": None}},
}


def check_suffix(path: Path) -> Format:
    """The format that a picture's name asks for; call it before any long work.

    Raises:
        ConfigError: the suffix is none of `FORMATS`.
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
) -> Iterator[tuple["Figure", list[Any]]]:
    """A figure with its axes, row by row, that is written to `path` when the block ends.

    Args:
        path: .png and .svg are for the screen, .pdf for print: 180 mm wide with letters of 8 pt.
        title: the figure's, or nothing; that the series is made up is added.
        synthetic: whether it is.
        rows: of axes.
        columns: of axes.
        height: inches of one row on the screen.
        heights: the rows' shares of the height, where they differ.
        share_x: the rows have one horizontal axis.

    Raises:
        ConfigError: an unknown format.
    """
    form = check_suffix(path)
    import matplotlib
    from matplotlib.figure import Figure

    width = PRINT_WIDTH_IN if form == "pdf" else SCREEN_WIDTH_IN
    look: Any = COMMON | (PRINT if form == "pdf" else SCREEN)
    with matplotlib.rc_context(look), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name in a script that the font lacks
        size = (width, height * rows * width / SCREEN_WIDTH_IN)
        made = Figure(figsize=size, dpi=120, layout="constrained")
        axes = made.subplots(rows, columns, squeeze=False, sharex=share_x, height_ratios=heights)
        made.suptitle("  —  ".join([title] * bool(title) + ["SYNTHETIC SERIES, not Jena"] * synthetic))
        yield made, list(axes.ravel())
        with atomic_path(path) as temporary:
            made.savefig(temporary, format=form, **FORMATS[form])


def time_axis(axis: Any) -> None:
    """Say times shortly, and what clock they are by."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator: Any = AutoDateLocator()  # type: ignore[no-untyped-call]  # matplotlib types its dates in part only
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axis.set_xlabel(TIME_LABEL)


def with_gaps(times: "Times", *series: "Floats") -> tuple[Any, ...]:
    """The times and (times,) series, with a NaN in each gap, so that no line is drawn across it.

    A gap is a step of more than one and a half times the commonest.
    """
    import numpy as np

    if len(times) < 3:
        return (times, *series)
    steps = np.diff(times.astype("datetime64[s]").astype(np.int64))
    sizes, counts = np.unique(steps, return_counts=True)
    after = np.flatnonzero(steps > 1.5 * sizes[np.argmax(counts)]) + 1
    return (np.insert(times, after, times[after]), *(np.insert(np.asarray(s, float), after, np.nan) for s in series))


def draw_bands(axis: Any, times: Any, bands: Bands) -> None:
    """The bands around a forecast, the widest first; the narrow ones lie on top of it and come out darker."""
    for number, level in enumerate(sorted(bands, key=float, reverse=True), start=1):
        axis.fill_between(times, *bands[level], color=ORANGE, alpha=BAND_ALPHA, linewidth=0)
        as_seen = 1 - (1 - BAND_ALPHA) ** number
        axis.fill([], [], color=ORANGE, alpha=as_seen, linewidth=0, label=f"{level} % interval")


def legend_below(whole: "Figure") -> None:
    """A legend that hides nothing of what is drawn; none where nothing has a label."""
    if any(axis.get_legend_handles_labels()[0] for axis in whole.axes):
        whole.legend(loc="outside lower center", ncols=3, frameon=False)


def fitting(label: str, longest: int = LONGEST_LABEL) -> str:
    """A label that leaves room for the picture: of a long one, such as a folder's name, its ends."""
    return label if len(label) <= longest else f"{label[: longest // 2]}…{label[-longest // 2 :]}"
