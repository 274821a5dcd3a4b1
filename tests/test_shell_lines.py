"""Every shell line of the documents: run in order on a small series, or, where it takes too long, read.

Three things differ from what a reader types. The series is synthetic, 28,000 hourly rows, and a local server stands for
the public copies and for the station's page. `shortened` makes trainings small. What installs or leads to other tests,
`make`, `pip`, `source` and `.ci/run`, is not run: its targets must exist.
"""

import functools
import glob
import itertools
import os
import re
import shlex
import subprocess
import threading
import tomllib
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from station_files import write_station_file
from typer.main import get_command

from jenacast.cli import app
from jenacast.config import default_settings, recipe_names
from jenacast.data.copies import Copy
from jenacast.data.download import CSV_NAME, download
from jenacast.data.synthetic import synthetic_series, write_csv

ROOT = Path(__file__).parent.parent
RUN = ("README.md", "docs/guide.md", "docs/station.md", "docs/development.md")
# Their commands train for minutes to hours (course, results, experiments), need servers, GPUs and Slurm (many-machines,
# whose scripts test_many_machines.py runs) or other environments (serving, whose program test_complete.py runs, and
# benchmarks, whose scripts test_benchmarks.py runs).
READ = (
    "docs/course.md",
    "docs/results.md",
    "docs/experiments.md",
    "docs/many-machines.md",
    "docs/serving.md",
    "benchmarks/README.md",
)
COMMANDS = get_command(app).commands
SHORT = ("train.epochs=1", "train.batch_size=65536", "model.units=4", "data.history_hours=30")
ROWS = 28_000  # hourly: three years, and 70 days of 2012 for a backtest from there on


def shortened(arguments):
    """The arguments of `jenacast` for a training of seconds: one epoch, 4 units, 30 hours, 2 seeds or trials."""
    arguments = list(arguments)
    for option, most in (("--seeds", "2"), ("--trials", "2"), ("--workers", "1")):
        if option in arguments:
            arguments[arguments.index(option) + 1] = most
    if arguments[0] in ("train", "backtest") and "--resume" not in arguments:
        arguments += [part for setting in SHORT for part in ("--set", setting)]
    return arguments


def blocks(page, kind="sh"):
    """The fenced blocks of a page, as lists of lines; lines that end in a backslash are joined with the next."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    return [found.splitlines() for found in re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


def spans(page):
    """The commands that stand inside sentences and tables."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]


@pytest.fixture(scope="session")
def public_copy(tmp_path_factory):
    """A local server with the small series as a zip, in the place of the public copies, and with the station's page."""
    folder = tmp_path_factory.mktemp("public")
    write_csv(folder / CSV_NAME, *synthetic_series(rows=ROWS, step_minutes=60))
    _pack(folder / CSV_NAME, folder / "series.zip")
    for name, first in (("mpi_roof_2021", "2021-07-01T00:10:00"), ("mpi_roof", "2026-07-01T00:10:00")):
        _pack(_station_file(folder / f"{name}.csv", first), folder / f"{name}.zip")
    page = '<html><a href="mpi_roof_2021.zip">2021</a> <a href="mpi_roof.zip">now</a></html>'
    (folder / "weather_data.html").write_text(page)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Copy("tensorflow", f"http://127.0.0.1:{server.server_port}/series.zip", rows=ROWS)
    server.shutdown()
    server.server_close()


def _station_file(path, first):
    _, values = synthetic_series(rows=3600, warts=False)
    return write_station_file(path, np.datetime64(first) + np.arange(3600) * np.timedelta64(10, "m"), values)


def _pack(path, target):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)


@pytest.fixture
def place(tmp_path, monkeypatch, public_copy, jenacast):
    """A fresh folder with the files that a reader has before the first line: a station file and a search space."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JENACAST_DATA_DIR", raising=False)
    monkeypatch.setitem(download.__kwdefaults__, "copies", [public_copy])
    monkeypatch.setattr("jenacast.data.archive.PAGES", (public_copy.url.replace("series.zip", "weather_data.html"),))
    _station_file(Path("mpi_roof_2026b.csv"), "2026-07-01T00:10:00")
    (space,) = blocks("docs/guide.md", "toml")
    short = "\n".join("epochs = 1" if line.startswith("epochs") else line for line in space)
    Path("space.toml").write_text(f"{short}\nbatch_size = 65536\n[data]\nhistory_hours = 30\n")

    def run_here(jobs, at_once=None):
        """Instead of processes side by side."""
        return [name for name, arguments in jobs.items() if jenacast(*arguments).exit_code]

    for module in ("seeds", "held_out"):
        monkeypatch.setattr(f"jenacast.experiments.{module}.run_side_by_side", run_here)
    return tmp_path


def run_line(line, jenacast):
    """A line by itself: `jenacast` in this process, pipe or redirection behind it by bash, all else looked up."""
    captured = re.fullmatch(r"(\w+)=\$\((.*)\)", line)
    command, *behind = re.split(r" (?=[|>] )", re.sub(r"\s+#.*", "", captured[2] if captured else line), maxsplit=1)
    words = shlex.split(os.path.expandvars(command))
    if not words:
        return
    if words[0] != "jenacast" or words[1] == "doctor":  # it measures for ten seconds, and needs nothing from here
        look_up(words)
        return
    found = [sorted(glob.glob(word)) or [word] for word in words[1:]]  # noqa: PTH207 - as a shell does
    done = jenacast(*shortened(word for several in found for word in several))
    assert done.exit_code == 0, f"{line}\n{done.stderr}"
    if captured:
        os.environ[captured[1]] = done.stdout.strip()
    for rest in behind:
        subprocess.run(["bash", "-c", f"cat {rest}"], input=done.stdout, text=True, timeout=60, check=True)


def look_up(words):
    """A command that is not run: what it names must exist."""
    while re.match(r"[A-Z_]+=", words[0]):
        name = words[0].partition("=")[0]
        assert any(f'"{name}"' in path.read_text(encoding="utf-8") for path in ROOT.glob("tests/*.py")), name
        words = words[1:]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    match words:
        case ["make", target]:
            assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), f"make {target}"
        case ["source", ".venv/bin/activate"]:
            assert re.search(r"^VENV \?= \.venv$", makefile, re.MULTILINE)
        case ["pip", "install", what]:
            extras = re.fullmatch(r"\.(?:\[(.+)\])?", what)[1]
            assert set((extras or "gpu").split(",")) <= set(project["optional-dependencies"]), what
        case ["jenacast", *_]:
            check_words(words)
        case [".ci/run"]:
            assert os.access(ROOT / ".ci" / "run", os.X_OK)
        case _:
            pytest.fail(f"nobody checks {shlex.join(words)}")


@pytest.mark.system
@pytest.mark.parametrize("page", RUN)
def test_the_lines_of_a_page_run_in_order(page, place, jenacast):
    assert blocks(page)
    for line in itertools.chain(*blocks(page)):
        run_line(line, jenacast)


def check_words(words):
    """A command that is only read: it, its options and the files of this project that it names exist."""
    for word in words:
        if re.match(r"(docs|configs|benchmarks)/", word):
            assert (ROOT / word).exists(), word
    match words:
        case ["jenacast", name]:
            assert name in COMMANDS or name in ("--help", "--install-completion", "COMMAND"), name
        case ["jenacast", name, *arguments] if name != "COMMAND":
            COMMANDS[name].make_context(name, [word for word in arguments if word != "--help"])
            for option, value in itertools.pairwise(arguments):
                if option == "--model":
                    assert value in recipe_names() or value.isupper() or (ROOT / value).is_file(), value
                if option == "--set":
                    section, _, key = value.partition("=")[0].partition(".")
                    assert key in default_settings()[section], value
        case ["python", script, *arguments] if script.startswith("benchmarks/"):
            source = (ROOT / script).read_text(encoding="utf-8")
            assert all(word in source for word in arguments if word.startswith("--")), script
        case ["make", _]:
            look_up(words)


@pytest.mark.parametrize("page", [*RUN, *READ])
def test_commands_of_a_page_that_are_only_read_exist(page):
    lines = [line for block in blocks(page) for line in block] if page in READ else []
    for line in [*lines, *spans(page)]:
        if re.match(r"(jenacast|python benchmarks|make) ", line):
            check_words(shlex.split(line, comments=True))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("jenacast forecast --csv none.csv", "none.csv"),
        ("jenacast train --model nothing", "nothing"),
        ("jenacast prepare --protocl book", "protocl"),
        ("make tests", "tests"),
        ("pip install '.[nothing]'", "nothing"),
        ("rm -r /", "nobody checks"),
    ],
)
def test_a_wrong_line_is_found(line, message, place, jenacast):
    with pytest.raises((AssertionError, pytest.fail.Exception), match=re.escape(message)):
        run_line(line, jenacast)


@pytest.mark.parametrize(
    "line", ["jenacast train --model nothing", "jenacast train --st a=1", "jenacast train --set train.epoch=1 --seed 1"]
)
def test_a_wrong_line_that_is_only_read_is_found(line):
    with pytest.raises(Exception, match=r"nothing|--st|epoch"):
        check_words(shlex.split(line))
