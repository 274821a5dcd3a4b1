"""How the help of a command is set: its text, its examples apart from it, then its options in groups."""

import re
import textwrap
from typing import Any

from typer.core import TyperCommand

EXAMPLE = re.compile(r"^Example: (.*)\n?", flags=re.MULTILINE)
INDENT = 2
# The options of commands that have many, under headings; the others stand below them
GROUPS = {
    "train": {
        "Settings": ("--model", "--config", "--set", "--seed", "--epochs", "--patience", "--deterministic"),
        "Runs": ("--seeds", "--folds", "--run-dir", "--refit", "--resume"),
    },
    "evaluate": {
        "Windows": ("--split", "--csv", "--data-dir"),
        "What is measured": ("--against", "--fit-blend", "--by"),
        "What is written": ("--out", "--format", "--predictions", "--force"),
    },
    "sweep": {
        "Search": ("--trials", "--seeds", "--sampler", "--pruner", "--timeout"),
        "Machines": ("--workers", "--storage", "--run-dir", "--data-dir"),
    },
}


class Command(TyperCommand):
    """A command whose examples are the lines `Example: ...` of its help, each as it can be typed."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """The paragraphs, which flow, and the examples, which do not."""
        text = self.help or ""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(EXAMPLE.sub("", text).rstrip())
        examples = EXAMPLE.findall(text)
        with formatter.section("Examples" if len(examples) > 1 else "Example"):
            for line in examples:
                formatter.write_text("\b\n" + _typed(line, formatter.width - 2 * INDENT))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The arguments, the groups of options, and last the options of none."""
        groups = GROUPS.get(str(self.name), {})
        titles = {option: title for title, options in groups.items() for option in options}
        shown: dict[str, list[tuple[str, str]]] = {title: [] for title in ("Arguments", *groups, "Options")}
        for each in self.get_params(ctx):
            kind = "Arguments" if each.param_type_name == "argument" else "Options"
            title = next((titles[name] for name in each.opts if name in titles), kind)
            if record := each.get_help_record(ctx):
                shown[title].append(record)
        for title, records in shown.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def _typed(line: str, width: int) -> str:
    """A line for the shell, continued where it is too long."""
    lines = textwrap.wrap(line, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return " \\\n".join(lines)
