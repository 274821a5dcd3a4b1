import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packages import pip

from jenacast.config import load_recipe

pytestmark = pytest.mark.system

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A function that runs Python in an empty folder with the package installed from a wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", ROOT, "--no-deps", "--quiet", "--wheel-dir", folder)
    (wheel,) = folder.glob("jenacast-*.whl")
    pip("install", wheel, "--no-deps", "--quiet", "--target", folder / "site")
    (folder / "elsewhere").mkdir()

    def python(*arguments):
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=folder / "elsewhere",
            env=os.environ | {"PYTHONPATH": str(folder / "site")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    python.site, python.wheel = folder / "site", wheel
    return python


def test_the_package_is_the_wheels_and_so_are_its_recipes(installed):
    code = "import jenacast.config as c; print(c.__file__, c.configs_dir(), *c.recipe_names(), sep='\\n')"
    module, configs, *names = installed("-c", code).splitlines()
    assert module == str(installed.site / "jenacast" / "config.py")
    assert configs == str(installed.site / "jenacast" / "configs")
    assert names == sorted(path.stem for path in (ROOT / "configs").glob("*.toml") if path.stem != "default")


def test_a_recipe_is_printed_as_the_checkout_prints_it(installed):
    printed = json.loads(installed("-m", "jenacast", "models", "dense", "--json"))
    assert printed["model"]["architecture"] == "dense"
    assert printed == load_recipe("dense").model_dump()


def test_the_wheel_trains(installed, data_dir, tmp_path):
    small = ("--set", "data.history_hours=12", "--set", "model.units=2", "--epochs", 1)
    run = tmp_path / "run"
    printed = installed("-m", "jenacast", "train", "--model", "dense", *small, "--data-dir", data_dir, "--run-dir", run)
    assert printed == f"{run / 'best.keras'}\n"
    assert (run / "best.keras").stat().st_size > 1_000


def test_the_wheel_holds_the_package_alone(installed):
    names = zipfile.ZipFile(installed.wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"jenacast"}
    assert not [name for name in names if "tests/" in name or "/test_" in name]


def test_the_wheel_holds_the_region_that_a_station_is_compared_with(installed):
    data = Path("jenacast/data/thuringia_monthly_temperature.csv")
    assert (installed.site / data).read_bytes() == (ROOT / data).read_bytes()


def test_the_wheel_holds_what_a_report_is_made_of(installed):
    names = zipfile.ZipFile(installed.wheel).namelist()
    for name in ("base.html.j2", "parts.html.j2", "report.html.j2", "report.css", "report.js"):
        assert f"jenacast/report/{name}" in names
    assert "jenacast/sweep/sweep.html.j2" in names
