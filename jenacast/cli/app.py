"""The Typer application: how failures become exit codes, and the options several commands share."""

import inspect
import logging
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

import jenacast
from jenacast.errors import JenacastError
from jenacast.models import PACKAGED

DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="JENACAST_DATA_DIR", help="Folder of the CSV and of the prepared data.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what exists.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object with full precision.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing on stderr but warnings and errors.")]
CODE = "Run this file of your own where a network needs it; repeatable."
Code = Annotated[list[Path] | None, typer.Option("--code", metavar="FILE.py", help=CODE)]


def complete_recipe(incomplete: str) -> list[tuple[str, str]]:
    """For the shell: the recipes, and what they are."""
    from jenacast.config import configs_dir, recipe_names
    from jenacast.toml_files import read_toml

    names = [name for name in recipe_names() if name.startswith(incomplete)]
    return [(name, str(read_toml(configs_dir() / f"{name}.toml").get("summary", ""))) for name in names]


def complete_setting(incomplete: str) -> list[str]:
    """For the shell: the settings that --set may change."""
    from jenacast.config import default_settings
    from jenacast.toml_files import flatten

    return [f"{key}=" for key in flatten(default_settings()) if key.startswith(incomplete)]


def complete_checkpoint(incomplete: str) -> list[str]:
    """For the shell: the package's networks where one begins to name them; without an answer it offers files itself."""
    return [name for name in PACKAGED if incomplete and name.startswith(incomplete)]


ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        autocompletion=complete_recipe,
        help="A recipe by name, which `jenacast models` lists; or a Python file with a network of your own.",
    ),
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="A TOML file of settings instead.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        autocompletion=complete_setting,
        help="Change one setting, such as train.epochs=5; repeatable.",
    ),
]
TrustSavedModel = Annotated[
    bool,
    typer.Option(
        "--trust-saved-model", help="Open an exported SavedModel: it may run any code, so only if you exported it."
    ),
]
FitBlend = Annotated[
    bool, typer.Option("--fit-blend", help="Fit weights and an offset on validation, instead of a plain mean.")
]
Storage = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar="JENACAST_STORAGE",
        help="postgresql://USER@HOST/DATABASE, shared by many machines; the password comes from PGPASSWORD or a "
        "service file.",
        show_default="a file in the sweep's folder",
    ),
]

logger = logging.getLogger(__name__)

DATA_DIR = Path("data")
LONGEST_ERROR = 300  # characters of an error that a library raises


def is_given(context: typer.Context, name: str) -> bool:
    """Whether the user gave an option, on the command line or in the environment."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def run_dir_option(default: str) -> Any:
    """The option --run-dir; the help shows `default`, which the command makes up itself."""
    return typer.Option("--run-dir", help="The folder for everything that is kept.", show_default=default)


class Terminated(BaseException):
    """SIGTERM arrived. Like KeyboardInterrupt it passes every `except Exception` on its way out."""


class _Group(TyperGroup):
    """Turns known failures and signals into one line on stderr and an exit code."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Whole sentences, where Click would cut them off at the end of a line."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(limit=1000)) for name, each in self.commands.items()])

    def invoke(self, ctx: Any) -> Any:
        try:
            signal.signal(signal.SIGTERM, _terminate)
            return super().invoke(ctx)
        except JenacastError as error:
            _fail(str(error), 1)
        except BrokenPipeError:
            raise  # the reader of stdout went away: Typer ends quietly
        except OSError as error:
            _fail(f"{error}; nothing was overwritten. Check the path, its permissions and the free space", 1)
        except Exception as error:
            if not (remedy := _remedy(error)):
                raise
            said = (str(error).strip().splitlines() or [""])[0][:LONGEST_ERROR]
            _fail(f"{type(error).__name__}: {said}; {remedy}" if said else f"{type(error).__name__}; {remedy}", 1)
        except KeyboardInterrupt:
            _fail("interrupted", 130)
        except Terminated:
            _fail("terminated", 143)


def _remedy(error: Exception) -> str:
    """What helps against an error that a library raises, known by its type alone; "" for what may be a bug."""
    kind = type(error)
    if isinstance(error, MemoryError) or kind.__name__ == "ResourceExhaustedError":
        return "memory is full: choose a smaller train.batch_size, model.units or file, or end other programs"
    if isinstance(error, RecursionError):
        return "what was read is nested too deeply: check the file"
    is_tensorflow = kind.__module__.partition(".")[0] == "tensorflow"
    return "to see what works on this machine: jenacast doctor" if is_tensorflow else ""


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise Terminated


def _fail(text: str, code: int) -> NoReturn:
    typer.echo(_printable(f"error: {text}"), err=True)
    raise typer.Exit(code)


def say(text: str) -> None:
    """Tell the user something that is not the answer: one line on stderr, none with --quiet."""
    logger.info("%s", text)


def echo(text: object, *, nl: bool = True) -> None:
    """Print the answer, or a part of it, on stdout."""
    typer.echo(_printable(str(text)), nl=nl)


def with_shared_options(function: Callable[..., None], *, takes_code: bool) -> Callable[..., None]:
    """The function of a command, with one more option, --quiet; and --code where it builds networks or loads them."""

    @wraps(function)
    def run(*arguments: Any, quiet: bool, code: list[Path] | None = None, **options: Any) -> None:
        if quiet:
            logging.getLogger("jenacast").setLevel(logging.WARNING)
        for path in code or []:
            allow_code(path)
        function(*arguments, **options)

    shared: dict[str, Any] = {"quiet": Quiet, **({"code": Code} if takes_code else {})}
    defaults, kind = {"quiet": False, "code": None}, inspect.Parameter.KEYWORD_ONLY
    options = [inspect.Parameter(name, kind, default=defaults[name], annotation=each) for name, each in shared.items()]
    signature = inspect.signature(function)
    vars(run)["__signature__"] = signature.replace(parameters=[*signature.parameters.values(), *options])
    run.__annotations__ = {**function.__annotations__, **shared}
    return run


def allow_code(path: Path) -> None:
    """Let a Python file be run that the user has named on the command line."""
    from jenacast.models.own import allow
    from jenacast.network_file import read_code

    allow(read_code(path))


def _printable(text: str) -> str:
    """Text for a terminal, which obeys control characters: those that a file brings along are shown as escapes."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign in "\n\t" else repr(sign)[1:-1] for sign in text)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # it would swallow what stands in brackets
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    help=(
        "Forecast tomorrow's temperature in Jena with recurrent networks: from five days of hourly "
        "observations, the temperature 24 hours later, judged against 'the same as now'.\n\n"
        "The usual way: download, prepare, baseline, train --model stacked-gru, evaluate RUN. "
        "`jenacast demo` does all of it in a few minutes."
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"jenacast {jenacast.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    # The package tells its story through the logger "jenacast"; a command shows it on stderr.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    logger = logging.getLogger("jenacast")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        return _printable(prefix + record.getMessage())
