"""The search space: a config in which some values are domains to choose from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from jenacast.config import Config, RecipeConfig, check_settings
from jenacast.errors import ConfigError
from jenacast.models.build import check_model
from jenacast.sweep.domains import Domain, Label
from jenacast.toml_files import merge

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

RECIPE = "recipe"  # searched like a setting, where it has choices
MOST_COMBINATIONS = 10_000  # of a grid, whose trials are queued one by one
Chosen = dict[str, Label]  # by setting; of named choices the name


@dataclass(frozen=True)
class Space:
    """What is searched.

    Attributes:
        name: of the sweep.
        bases: complete settings that the trials change, by recipe; there is one where the recipe is not searched.
        domains: what may be chosen, by setting such as `train.learning_rate`; what a condition asks for comes first.
        kind: the settings that there are: those of recipes, or of a network of the user's own.
    """

    name: str
    bases: Mapping[str, Mapping[str, Any]]
    domains: Mapping[str, Domain]
    kind: type[Config] = RecipeConfig

    def suggest(self, trial: "BaseTrial") -> Chosen:
        """Let the trial's sampler choose, leaving out what no choice enables."""
        chosen: Chosen = {}
        for setting, domain in self.domains.items():
            if domain.is_enabled(chosen):
                chosen[setting] = domain.suggest(trial, setting)
        return chosen

    def settings(self, chosen: Chosen) -> dict[str, Any]:
        """Complete settings with what was chosen, not checked."""
        settings = dict(self.bases[str(chosen[RECIPE]) if RECIPE in chosen else next(iter(self.bases))])
        for setting, label in chosen.items():
            section, _, key = setting.partition(".")
            if key:
                settings = merge(settings, {section: {key: self.domains[setting].value(label)}})
        return settings

    def config(self, chosen: Chosen, name: str) -> Config:
        """The config of a trial.

        Raises:
            ConfigError: its settings break a rule, or do not fit together.
        """
        about = {"name": name, "summary": f"a trial of the sweep {self.name}", "source": self.name}
        config = check_settings({**self.settings(chosen), **about}, where=f"the sweep {self.name}", kind=self.kind)
        check_model(config)
        return config

    def needs(self) -> dict[str, dict[str, list[Label]]]:
        """For each setting, and each other that it depends on, those choices there that let it be searched."""
        needs: dict[str, dict[str, list[Label]]] = {}
        for setting, domain in self.domains.items():
            needed: dict[str, list[Label]] = {}
            for other, labels in domain.when.items():
                for each, allowed in {**needs[other], other: labels}.items():
                    needed[each] = [label for label in needed.get(each, allowed) if label in allowed]
            needs[setting] = needed
        return needs

    def corner_choices(self) -> list[Chosen]:
        """Combinations at the bounds: each bound of each setting, the others at their first; and all at their last."""
        wanted: list[Chosen] = [
            {other: labels[0] for other, labels in needed.items()} | {setting: label}
            for setting, needed in self.needs().items()
            for label in self.domains[setting].bounds()
        ]
        wanted.append({setting: domain.bounds()[-1] for setting, domain in self.domains.items()})
        first = {setting: domain.bounds()[0] for setting, domain in self.domains.items()}
        labels = [{setting: [label] for setting, label in (first | each).items()} for each in wanted]
        return [next(self._combinations(each, {}, *self.domains)) for each in labels]

    @property
    def first_seed(self) -> int:
        """Of the trainings, and of the sampler."""
        return int(next(iter(self.bases.values()))["train"]["seed"])

    @property
    def most_epochs(self) -> int:
        """Of the longest training there can be."""
        return max(int(self.settings(chosen)["train"]["epochs"]) for chosen in self.corner_choices())

    def grid(self) -> list[Chosen]:
        """Every combination there is.

        Raises:
            ConfigError: they are endless, or too many.
        """
        endless = [setting for setting, domain in self.domains.items() if domain.values() is None]
        if endless:
            raise ConfigError(f"a grid needs choices, or a range with a step, for {', '.join(endless)}")
        labels = {setting: domain.values() or () for setting, domain in self.domains.items()}
        found = list(islice(self._combinations(labels, {}, *self.domains), MOST_COMBINATIONS + 1))
        if len(found) > MOST_COMBINATIONS:
            raise ConfigError(
                f"a grid of more than {MOST_COMBINATIONS} combinations; search fewer values, or by another sampler"
            )
        return found

    def _combinations(self, labels: Mapping[str, Sequence[Label]], chosen: Chosen, *settings: str) -> Iterator[Chosen]:
        """All that can be chosen of `settings` from their labels, after what has been chosen."""
        if not settings:
            yield chosen
            return
        setting, *others = settings
        if not self.domains[setting].is_enabled(chosen):
            yield from self._combinations(labels, chosen, *others)
            return
        for label in labels[setting]:
            yield from self._combinations(labels, {**chosen, setting: label}, *others)

    def describe(self) -> dict[str, Any]:
        """What tells this space from another, for JSON."""
        domains = {setting: domain.model_dump(exclude_defaults=True) for setting, domain in self.domains.items()}
        return {"settings": {recipe: dict(base) for recipe, base in self.bases.items()}, "search": domains}
