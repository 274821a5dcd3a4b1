"""Files that are no settings."""

import os
import re
import time

import pytest
from settings_texts import problems

from jenacast.config import load_config
from jenacast.errors import ConfigError


def test_a_section_must_be_a_table(load):
    with pytest.raises(ConfigError) as error:
        load("train = 5\n")
    assert problems(error) == ["train: expected a table, received 5"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[train\n", "is not valid TOML: .*line 1"),
        ("[train]\nepochs = 1\nepochs = 2\n", "is not valid TOML: .*line 3"),
        ("epochs = five\n", "is not valid TOML"),
        (b"summary = '\xff'\n", "is not valid TOML: .*utf-8"),
        (b"PK\x03\x04\x00", "is not valid TOML"),
        ('summary = "x"\n'.encode("utf-16"), "is not valid TOML: .*utf-8"),
        (bytes(100), "is not valid TOML"),
        ("x = " + "[" * 100_000, "is not valid TOML"),
        ("[train]\nseed = " + "9" * 10_000, "is not valid TOML"),
    ],
)
def test_a_broken_file_is_named(load, content, told):
    with pytest.raises(ConfigError, match=rf"mine\.toml {told}"):
        load(content)


def test_an_absent_file_names_a_start(tmp_path):
    with pytest.raises(ConfigError, match=r"no\.toml not found; `jenacast models NAME` prints a config"):
        load_config(tmp_path / "no.toml")


def test_only_a_small_regular_file_is_read_as_a_config(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    for path in (tmp_path, tmp_path / "pipe.toml"):
        with pytest.raises(ConfigError, match=f"{re.escape(str(path))} cannot be read: Not a regular file"):
            load_config(path)
    (tmp_path / "large.toml").write_text(f'summary = "{"x" * 300_000}"')
    with pytest.raises(ConfigError, match=r"large\.toml cannot be read: Larger than the 200,000 bytes"):
        load_config(tmp_path / "large.toml")


@pytest.mark.parametrize("nested", ["a = " + "[" * 5000, ".".join("a" * 5000) + " = 1"], ids=["lists", "tables"])
def test_what_is_nested_too_deeply_is_refused(tmp_path, nested):
    (tmp_path / "deep.toml").write_text(nested)
    with pytest.raises(ConfigError, match=r"deep\.toml is not valid TOML: .*recursion"):
        load_config(tmp_path / "deep.toml")


def test_very_many_columns_are_refused_at_once(tmp_path):
    (tmp_path / "wide.toml").write_text(f"data.columns = {['T'] * 30_000}")
    begun = time.monotonic()
    with pytest.raises(ConfigError, match=r"data\.columns: .*items"):
        load_config(tmp_path / "wide.toml")
    assert time.monotonic() - begun < 5
