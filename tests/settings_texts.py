"""Settings as TOML texts; loaded as a pytest plugin for `load`."""

import pytest

from jenacast.config import load_config


@pytest.fixture
def load(tmp_path):
    """A function that writes TOML to a file and loads it."""

    def load(text="", *assignments, name="mine.toml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_config(path, assignments)

    return load


def problems(error):
    """The problems that a ConfigError lists, less its head, which must count them."""
    head, *lines = str(error.value).splitlines()
    assert head.startswith(f"{len(lines)} problem(s) in the settings (")
    return [line.removeprefix("  ") for line in lines]
