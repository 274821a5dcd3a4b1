import re
from pathlib import Path

import pytest
from typer.main import get_command

import jenacast
from jenacast.cli import app
from jenacast.columns import COLUMNS, OPTIONAL
from jenacast.evaluation import OVER_DAYS
from jenacast.sweep.space_file import load_space

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = get_command(app).commands


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_in_the_readme_and_teaches(name):
    assert f"| `jenacast {name}` |" in README
    assert len(COMMANDS[name].help) > 80


def test_the_file_tree_in_the_readme_is_the_package():
    tree = README.split("```\nconfigs/")[1].split("```")[0]
    shown = set(re.findall(r"^  ([\w/.]+)", tree, flags=re.MULTILINE))
    there = {path.name + "/" * path.is_dir() for path in (ROOT / "jenacast").iterdir() if path.name[0] != "_"}
    assert shown == there - {"py.typed"}


def headings(page):
    """The anchors of a page's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in found}


def test_every_relative_link_in_the_documents_leads_somewhere():
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))]
    assert len(links) > 20
    for page, link in links:
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert "://" in link or target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in headings(target), f"{page.name}: {link}"


@pytest.mark.parametrize(("page", "domains"), [("guide", 5), ("course", 3)])
def test_the_search_space_of_a_page_can_be_searched(page, domains, tmp_path):
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    (space := tmp_path / "space.toml").write_text(re.search(r"```toml\n(.*?)```", text, flags=re.DOTALL)[1])
    assert len(load_space(space).domains) == domains


def test_the_search_space_of_the_experiments_can_be_searched():
    assert len(load_space(ROOT / "docs" / "wider.toml").domains) == 12


def test_ci_calls_the_commands_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in ("make demo", "make test"):
        assert re.search(rf"^{command}\b", README, flags=re.MULTILINE)
        assert re.search(rf"^{command}$", script, flags=re.MULTILINE)


def test_the_changelog_names_this_version():
    assert f"\n## {jenacast.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_direct_dependency_is_pinned_by_the_constraints():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    wanted = re.findall(r'^    "([\w-]+)(?:\[\w+\])?>=', project, flags=re.MULTILINE)
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    assert wanted
    assert [name for name in wanted if f"\n{name.lower()}==" not in pinned] == []


def test_the_columns_of_the_station_are_those_that_are_read():
    page = (ROOT / "docs" / "station.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([^`]+)` \| `(\w+)` \|", page, flags=re.MULTILINE)
    assert listed == [(column.header, column.name) for column in (*COLUMNS, *OPTIONAL)]


def test_every_function_in_the_tables_for_developers_exists():
    page = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `([\w/.]+\.py)` \| `(\w+)` \|", page, flags=re.MULTILINE)
    assert len(named) > 15
    for file, name in named:
        source = (ROOT / "jenacast" / file).read_text(encoding="utf-8")
        assert re.search(rf"^ *(def|class) {name}\b", source, flags=re.MULTILINE), f"{file}: {name}"


@pytest.mark.parametrize("name", ["evaluate", "compare", "backtest"])
def test_what_a_95_percent_interval_says_stands_in_guide_and_help(name, jenacast):
    guide = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    for text in (guide, jenacast(name, "--help").stdout):
        assert OVER_DAYS in " ".join(text.split())
