"""The recipes in the package, and the default that they change."""

import re
from pathlib import Path

import pytest

from jenacast import config as module
from jenacast.config import (
    RecipeConfig,
    configs_dir,
    default_settings,
    dump_config,
    load_config,
    load_recipe,
    recipe_names,
)
from jenacast.errors import ConfigError

ROOT = Path(__file__).parent.parent
SECTIONS = ("data", "model", "train")


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_loads_and_comes_back_from_its_dump(name, tmp_path):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.summary
    assert recipe.source
    (tmp_path / "mine.toml").write_text(dump_config(recipe))
    assert load_config(tmp_path / "mine.toml") == recipe


def published():
    """The figures of recipes in the documents: validation and test MAE, of the ledger or of the table of results."""
    row = r"^\| \**`?([a-z0-9-]+)`?[^|]*\|.*?\| (\S+ ± \S+) \| \**(\S+ ± [\d.]+)"
    pages = [(ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("ledger.md", "results.md")]
    return {name: errors for page in pages for name, *errors in re.findall(row, page.partition("\n## ")[0], flags=re.M)}


def test_the_head_of_a_recipe_says_what_the_documents_say():
    documented, seen = published(), set()
    for name in recipe_names():
        command, result, *_ = (configs_dir() / f"{name}.toml").read_text(encoding="utf-8").splitlines()
        epochs = load_recipe(name).train.last_epoch
        assert re.match(rf"# jenacast train --model {name}( --set \S+)? --seeds \d+: {epochs} epochs", command)
        if result != "# Not measured.":
            errors = re.match(r"# Validation MAE (.*) °C, test (.*) °C \(hourly series, protocol book\)$", result)
            assert list(errors.groups()) == documented[name], name
            seen.add(name)
    assert len(seen) >= 12


def test_the_default_is_complete_and_holds_nothing_else():
    expected = {name: set(RecipeConfig.model_fields[name].annotation.model_fields) for name in SECTIONS}
    assert {name: set(values) for name, values in default_settings().items()} == expected
    assert set(RecipeConfig.model_fields) == {"name", "summary", "source", *SECTIONS}
    fields = [RecipeConfig.model_fields[name].annotation.model_fields for name in SECTIONS]
    assert all(field.is_required() for section in fields for field in section.values())  # no second home for values


def test_the_default_is_not_a_recipe_but_loads():
    assert "default" not in recipe_names()
    assert load_config(configs_dir() / "default.toml").model_dump(include=set(SECTIONS)) == default_settings()


@pytest.mark.parametrize("name", ["stacked_gru", "default", "", "../configs/dense", "dense.toml"])
def test_an_unknown_recipe_lists_the_known(name):
    with pytest.raises(ConfigError) as error:
        load_recipe(name)
    known = ", ".join(recipe_names())
    told = f"model {name!r} is not known; choose one of: {known} (jenacast models lists them)"
    assert str(error.value).partition("; did you mean ")[0] == told


def test_recipes_packed_inside_the_package_come_first(tmp_path, monkeypatch):
    packed = tmp_path / "jenacast" / "configs"
    packed.mkdir(parents=True)
    (packed / "only.toml").write_text("")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "jenacast" / "config.py"))
    assert recipe_names() == ["only"]
