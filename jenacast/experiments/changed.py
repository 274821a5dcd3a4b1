"""What the settings of a run are beside its recipe."""

import json
from collections.abc import Mapping
from typing import Any

from jenacast.config import default_settings, load_recipe, recipe_names, stored_settings
from jenacast.models.recurrent import AUTO, engine_of_auto
from jenacast.network_file import is_file
from jenacast.toml_files import flatten


def changed_settings(settings: Mapping[str, Any]) -> list[str]:
    """Settings that differ from those of the recipe of their name, or the defaults, less the seed: train.epochs=5.

    Where the recipe has `model.engine = "auto"`, that is what it stands for on a CPU.
    """
    complete = stored_settings(settings)
    is_own = is_file(complete["model"]["architecture"])
    if is_own:  # the beginning of a hash tells two versions of a file apart
        complete["model"]["code_sha256"] = str(complete["model"].get("code_sha256"))[:12]
    is_recipe = settings["name"] in recipe_names() and not is_own
    recipe = flatten(load_recipe(settings["name"]).model_dump() if is_recipe else default_settings())
    engine = complete["model"]["engine"]
    if recipe["model.engine"] == AUTO and engine == engine_of_auto(complete["model"], on_gpu=False):
        recipe["model.engine"] = engine
    set_here = {key: value for key, value in flatten(complete).items() if "." in key and key != "train.seed"}
    return [f"{key}={json.dumps(value)}" for key, value in set_here.items() if recipe.get(key) != value]
