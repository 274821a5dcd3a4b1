"""The errors a user can meet. Each text names the value, the rule it breaks and the remedy."""

import difflib
import shlex
from collections.abc import Iterable


def command(*words: object) -> str:
    """A command, or a part of one, for a user to copy: each word is quoted for the shell where it has to be."""
    return shlex.join(map(str, words))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error about a name that is not known: the known one that looks like it, if any."""
    alike = difflib.get_close_matches(name, list(known), n=1, cutoff=0.75)
    return f"; did you mean {alike[0]}?" if alike else ""


def install_extra(name: str) -> str:
    """The command that installs what an optional part of jenacast needs; the package is on no index."""
    return f"pip install '.[{name}]' (in the folder of jenacast's source)"


class JenacastError(Exception):
    """A known failure: the command line prints its text and exits with 1, without a traceback."""


class ConfigError(JenacastError):
    """Settings that break a rule; the text lists every problem, one a line."""


class DataError(JenacastError):
    """A station file or prepared data that cannot be used."""


class DownloadError(JenacastError):
    """A copy of the series that could not be fetched or is not what it should be."""


class UnreachableError(DownloadError):
    """The network or the server failed; another source may still work."""


class CheckpointError(JenacastError):
    """A model file that cannot be read, is refused, or does not fit the data."""


class ExistsError(JenacastError):
    """Something would be overwritten that nobody asked to overwrite."""


class InUseError(JenacastError):
    """A living process holds what was asked for."""
