"""The peers' side of `peers.py`; runs in their environment, which has no jenacast.

Arguments: the folder with `task.npz`, the peer, and `quick` for one short setting. Writes PEER.npz and PEER.json there.
Of several settings the one with the smallest MAE on the validation windows forecasts test, and no other. Or, for
`time_to_accuracy.py`: the folder, `until` and a validation MAE in degC; writes until.json.
"""

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Forecast = Callable[[str], np.ndarray]  # of a split: (windows,) degC
Setting = dict[str, Any]
CHANGES, MEANS = (1, 3, 6, 12, 24), (6, 12, 24)  # hours, as jenacast's `lagged` network is told
MORE_CHANGES, MORE_MEANS = (1, 2, 3, 6, 12, 18, 24, 48, 72, 96), (3, 6, 12, 24, 48, 72, 120)
LIGHTGBM: Setting = {"objective": "l1", "learning_rate": 0.03, "n_estimators": 4000, "random_state": 0, "verbose": -1}
LIGHTGBM |= {"colsample_bytree": 0.3, "subsample": 0.5, "subsample_freq": 1}
LIGHTGBM_SETTINGS: list[Setting] = [
    {"num_leaves": leaves, "min_child_samples": least, "reg_lambda": penalty}
    for leaves, least, penalty in ((8, 100, 1.0), (15, 200, 10.0), (31, 200, 10.0), (63, 400, 10.0))
]
CHOSEN = LIGHTGBM_SETTINGS[3]  # by the smallest validation MAE on the hourly series (README.md)
JUDGED = ("val", "test")
QUIET = {"enable_progress_bar": False, "enable_model_summary": False}


@dataclass(frozen=True)
class Fitted:
    """A peer's chosen forecast of both splits, degC; `seconds` that setting's training took."""

    name: str
    made_c: dict[str, np.ndarray]
    seconds: float
    note: str


class Task:
    """What `peers.py` exports: rows in lane order, windows by the place of their last observation."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as arrays:
            self.arrays = dict(arrays)
        self.lead, self.history = int(self.arrays["lead"]), int(self.arrays["history"])
        # A row that no window touches may be unknown; the peers want a number there: the last one known.
        self.inputs = _filled(self.arrays["inputs"], self.lead)
        level_c = _filled(self.arrays["level_c"][:, None], self.lead)[:, 0]
        train_c = level_c[: self.stop("train")]
        self.mean_c, self.deviation_c = float(train_c.mean()), float(train_c.std())
        self.level = ((level_c - self.mean_c) / self.deviation_c).astype(np.float32)
        self.calendar = np.flatnonzero(self.arrays["calendar"])
        self.weather = np.flatnonzero(~self.arrays["calendar"])

    def stop(self, split: str) -> int:
        """The row after the split's last."""
        return int(self.arrays[f"{split}_stop"])

    def begin(self, split: str) -> int:
        """The row of the first hour that a history of the split sees, in all of the rows."""
        return int(self.arrays[f"{split}_now"].min()) - self.history + 1

    def now(self, split: str) -> np.ndarray:
        """(windows,) rows of the last observations."""
        now: np.ndarray = self.arrays[f"{split}_now"]
        return now

    def degrees(self, split: str, level: np.ndarray) -> np.ndarray:
        """(windows,) degC from the standardised level at the target."""
        degrees: np.ndarray = level * self.deviation_c + self.mean_c + self.arrays[f"{split}_later_c"]
        return degrees

    def choose(self, name: str, settings: list[Setting], fit: Callable[[Setting], Forecast]) -> Fitted:
        """Fit all settings, forecast test with the best on validation."""
        tried = []
        for setting in settings:
            began = time.perf_counter()
            forecast = fit(setting)
            seconds = time.perf_counter() - began
            val_c = forecast("val")
            mae_c = float(np.abs(val_c - self.arrays["val_truth_c"]).mean())
            print(f"{name} {setting}: validation MAE {mae_c:.4f} degC, {seconds:.0f} s", file=sys.stderr, flush=True)
            tried.append((mae_c, seconds, setting, forecast, val_c))
        _, seconds, setting, forecast, val_c = min(tried, key=lambda one: one[0])
        others = ", ".join(f"{one[0]:.3f}" for one in tried)
        note = f"{', '.join(f'{key} {value}' for key, value in setting.items())}; settings tried: {others}"
        return Fitted(name, {"val": val_c, "test": forecast("test")}, seconds, note)


def present(task: Task, quick: bool) -> Iterator[Fitted]:
    """The level stays as it is: numpy alone."""
    yield Fitted("present", {split: task.degrees(split, task.level[task.now(split)]) for split in JUDGED}, 0.0, "")


def lightgbm(task: Task, quick: bool) -> Iterator[Fitted]:
    """Gradient boosting on the present, its changes and running means; forecasts the config's encoded target."""
    from lightgbm import LGBMRegressor, early_stopping

    shared = LIGHTGBM | ({"n_estimators": 20} if quick else {})
    for name, hours in (("LightGBM", (CHANGES, MEANS)), ("LightGBM, more lags", (MORE_CHANGES, MORE_MEANS))):
        features = {split: lag_features(task, task.now(split), *hours) for split in ("train", *JUDGED)}

        def fit(setting: Setting, features: dict[str, np.ndarray] = features) -> Forecast:
            model = LGBMRegressor(**shared, **setting)
            train, val = (task.arrays[f"{split}_targets"] for split in ("train", "val"))
            stop = early_stopping(150, verbose=False)
            model.fit(features["train"], train, eval_X=features["val"], eval_y=val, callbacks=[stop])

            def forecast(split: str) -> np.ndarray:
                decoded = model.predict(features[split]) * task.arrays["scale_c"] + task.arrays["offset_c"]
                forecast_c: np.ndarray = decoded + task.arrays[f"{split}_reference_c"]
                return forecast_c

            return forecast

        yield task.choose(name, LIGHTGBM_SETTINGS[: 1 if quick else None], fit)


def lightgbm_until(path: Path, target_c: float) -> Setting:
    """LightGBM up to the first tree with which the validation MAE is `target_c` or less; imports are not timed."""
    from lightgbm import LGBMRegressor
    from lightgbm.callback import EarlyStopException

    began = time.perf_counter()
    task = Task(path)
    reached: Setting = {}

    def look(state: Any) -> None:
        mae_c = state.evaluation_result_list[0][2] * float(task.arrays["scale_c"])
        reached.update(val_mae_c=mae_c, tree=state.iteration + 1)
        if mae_c <= target_c:
            raise EarlyStopException(state.iteration, state.evaluation_result_list)

    train, val = (lag_features(task, task.now(split), CHANGES, MEANS) for split in ("train", "val"))
    model = LGBMRegressor(**LIGHTGBM, **CHOSEN)
    targets = task.arrays["val_targets"]
    model.fit(train, task.arrays["train_targets"], eval_X=val, eval_y=targets, eval_metric="l1", callbacks=[look])
    return reached | {"seconds": time.perf_counter() - began}


def neuralforecast(task: Task, quick: bool) -> Iterator[Fitted]:
    """GRU and NHITS, the weather as historic and the calendar as future exogenous columns; the last hour is read."""
    import pandas
    import torch
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MAE
    from neuralforecast.models import GRU, NHITS

    rows = np.arange(len(task.level))
    frame = pandas.DataFrame({"unique_id": "station", "ds": rows, "y": task.level})
    frame = frame.join(pandas.DataFrame(task.inputs, columns=[f"x{n}" for n in range(task.inputs.shape[1])]))
    last = torch.zeros(task.lead)
    last[-1] = 1
    shared: Setting = {"h": task.lead, "input_size": task.history, "batch_size": 1, "random_seed": 1}
    shared |= {"hist_exog_list": [f"x{n}" for n in task.weather], "futr_exog_list": [f"x{n}" for n in task.calendar]}
    shared |= {"windows_batch_size": 256, "inference_windows_batch_size": 2048, "num_lr_decays": 3}
    shared |= {"val_check_steps": 10 if quick else 100, "early_stop_patience_steps": 3, "scaler_type": "identity"}
    shared |= {"valid_loss": MAE(horizon_weight=last), "logger": False, "enable_checkpointing": False, **QUIET}
    gru: Setting = {"encoder_n_layers": 1, "encoder_hidden_size": 64, "decoder_hidden_size": 64}
    peers: dict[str, tuple[Any, int, Setting, list[Setting]]] = {
        "neuralforecast GRU": (GRU, 500, gru, [
            {"loss of": "all hours", "learning_rate": 1e-3},
            {"loss of": "last hour", "learning_rate": 1e-3},
        ]),
        "neuralforecast NHITS": (NHITS, 800, {"mlp_units": 3 * [[128, 128]], "dropout_prob_theta": 0.3}, [
            {"loss of": "last hour", "learning_rate": 1e-3},
            {"loss of": "last hour", "learning_rate": 1e-4},
            {"loss of": "all hours", "learning_rate": 1e-4},
        ]),
    }  # fmt: skip
    for name, (kind, steps, size, settings) in peers.items():

        def fit(setting: Setting, kind: Any = kind, steps: int = steps, size: Setting = size) -> Forecast:
            callback, kept = keep_best("ptl/val_loss")
            loss = MAE(horizon_weight=last) if setting["loss of"] == "last hour" else MAE()
            own = {key: value for key, value in setting.items() if key != "loss of"} | size
            model = kind(**shared, **own, max_steps=20 if quick else steps, loss=loss, callbacks=[callback])
            forecaster = NeuralForecast([model], freq=1)
            known = frame[: task.stop("val")]
            forecaster.fit(known, val_size=task.stop("val") - task.stop("train"))
            forecaster.models[0].load_state_dict(kept["weights"])

            def forecast(split: str) -> np.ndarray:
                rows = frame[task.begin(split) : task.now(split).max() + task.lead + 1]
                size = len(rows) - task.history
                made = forecaster.cross_validation(rows, n_windows=None, test_size=size, use_fitted=True)
                made = made[made["ds"] - made["cutoff"] == task.lead].set_index("cutoff")
                return task.degrees(split, made.loc[task.now(split), kind.__name__].to_numpy())

            return forecast

        yield task.choose(name, settings[: 1 if quick else None], fit)


def darts(task: Task, quick: bool) -> Iterator[Fitted]:
    """TiDE, and a GRU without future covariates; the weather is in the past ones; the last hour is read."""
    import torch
    from darts import TimeSeries
    from darts.models import BlockRNNModel, TiDEModel
    from pytorch_lightning.callbacks import EarlyStopping

    level = TimeSeries.from_values(task.level)
    covariates = {"past_covariates": TimeSeries.from_values(task.inputs)}
    calendar = {"future_covariates": TimeSeries.from_values(task.inputs[:, task.calendar])}
    chunks = {"all hours": (task.lead, 0), "last hour": (1, task.lead - 1)}
    peers: dict[str, tuple[Any, Setting, list[Setting]]] = {
        "darts TiDE": (TiDEModel, covariates | (calendar if len(task.calendar) else {}), [
            {"loss of": "all hours", "hidden_size": 64, "dropout": 0.5, "lr": 3e-4},
            {"loss of": "last hour", "hidden_size": 64, "dropout": 0.5, "lr": 3e-4},
        ]),
        "darts GRU": (BlockRNNModel, covariates, [
            {"loss of": "all hours", "model": "GRU", "hidden_dim": 32, "lr": 1e-3},
            {"loss of": "last hour", "model": "GRU", "hidden_dim": 32, "lr": 1e-3},
        ]),
    }  # fmt: skip
    for name, (kind, told, settings) in peers.items():

        def fit(setting: Setting, kind: Any = kind, told: Setting = told) -> Forecast:
            callback, kept = keep_best("val_loss")
            rest = {key: value for key, value in setting.items() if key not in ("loss of", "lr")}
            length, shift = chunks[setting["loss of"]]
            stop = EarlyStopping("val_loss", patience=2)
            model = kind(
                task.history,
                length,
                shift,
                **rest,
                batch_size=256,
                n_epochs=1 if quick else 6,
                random_state=0,
                loss_fn=torch.nn.L1Loss(),
                optimizer_kwargs={"lr": setting["lr"]},
                pl_trainer_kwargs={"callbacks": [callback, stop], **QUIET},
            )
            train, val = (level[task.begin(split) : task.stop(split)] for split in ("train", "val"))
            model.fit(train, val_series=val, **told, **{f"val_{key}": value for key, value in told.items()})
            model.model.load_state_dict(kept["weights"])

            def forecast(split: str) -> np.ndarray:
                rows = level[task.begin(split) : task.now(split).max() + task.lead + 1]
                made = model.historical_forecasts(
                    rows,
                    **told,
                    forecast_horizon=length,
                    retrain=False,
                    last_points_only=True,
                    predict_kwargs={"batch_size": 2048},
                )
                places = task.now(split) + task.lead - made.start_time()
                return task.degrees(split, made.values()[places, 0])

            return forecast

        yield task.choose(name, settings[: 1 if quick else None], fit)


def lag_features(task: Task, now: np.ndarray, changes: tuple[int, ...], means: tuple[int, ...]) -> np.ndarray:
    """(windows, features): all columns now, and the weather's changes and running means up to it."""
    weather = task.inputs[:, task.weather].astype(np.float64)
    sums = np.vstack([np.zeros(weather.shape[1]), np.cumsum(weather, axis=0)])
    parts = [task.inputs[now]]
    parts += [weather[now] - weather[now - hours] for hours in changes if hours < task.history]
    parts += [(sums[now + 1] - sums[now + 1 - hours]) / hours for hours in means if hours <= task.history]
    return np.hstack(parts).astype(np.float32)


def keep_best(monitor: str) -> tuple[Any, dict[str, Any]]:
    """A callback, and where it keeps the weights with the smallest `monitor`: neither library goes back to them."""
    from pytorch_lightning.callbacks import LambdaCallback

    kept = {"loss": np.inf}

    def look(trainer: Any, module: Any) -> None:
        loss = float(trainer.callback_metrics.get(monitor, np.inf))
        if not trainer.sanity_checking and loss < kept["loss"]:
            kept.update(loss=loss, weights=deepcopy(module.state_dict()))
            print(f"  step {trainer.global_step}: validation loss {loss:.4f}", file=sys.stderr, flush=True)

    return LambdaCallback(on_validation_end=look), kept


def _filled(values: np.ndarray, more: int) -> np.ndarray:
    """(rows + more, columns) with the last known value where there is none."""
    known = np.where(np.isfinite(values), np.arange(len(values))[:, None], 0)
    filled = np.take_along_axis(values, np.maximum.accumulate(known, axis=0), axis=0)
    return np.pad(np.nan_to_num(filled), ((0, more), (0, 0)), mode="edge")


def main() -> None:
    """Fit and write."""
    warnings.simplefilter("ignore")  # of the libraries about each other
    logging.disable(logging.WARNING)
    folder, name, quick = Path(sys.argv[1]), sys.argv[2], sys.argv[3:] == ["quick"]
    if name == "until":
        (folder / "until.json").write_text(json.dumps(lightgbm_until(folder / "task.npz", float(sys.argv[3]))))
        return
    peer = {"present": present, "lightgbm": lightgbm, "neuralforecast": neuralforecast, "darts": darts}[name]
    made = list(peer(Task(folder / "task.npz"), quick))
    arrays: dict[str, Any] = {split: np.stack([one.made_c[split] for one in made]) for split in JUDGED}
    np.savez(folder / f"{name}.npz", **arrays)
    told = [{"name": one.name, "seconds": one.seconds, "note": one.note} for one in made]
    (folder / f"{name}.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
