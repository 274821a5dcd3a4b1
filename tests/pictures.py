"""Every kind of picture, drawn of made-up results."""

import xml.etree.ElementTree as ET
from types import SimpleNamespace

import numpy as np

from jenacast.evaluation import plots
from jenacast.evaluation.groups import Group, Lead
from jenacast.experiments.plots import comparison
from jenacast.forecasting.plots import Panel, forecasts, panels
from jenacast.training.curves import learning_curves

SVG = "{http://www.w3.org/2000/svg}"
NAN = float("nan")
BASELINE = "baseline: the same as now"


def hours(count):
    return np.datetime64("2016-03-01T00:00:00") + np.arange(count) * np.timedelta64(1, "h")


def wave(count):
    return 5 + 4 * np.sin(np.arange(count) / 4)


def around(middle):
    return {level: (middle - width, middle + width) for level, width in (("50", 1), ("90", 3))}


def draw_curves(path, **said):
    history = [{"epoch": i, "train_mae_c": 3 / i, "val_mae_c": 2.5 - i / 10} for i in (1, 2, 3)]
    learning_curves(path, history, baseline_mae_c=2.44, **{"dropout": False} | said)


def draw_one_epoch(path, **said):
    learning_curves(path, [{"epoch": 1, "train_mae_c": 3.0}], baseline_mae_c=None, dropout=False, **said)


def draw_evaluation(path, count=500, **said):
    truth = wave(count)
    plots.evaluation(path, Lead(24, hours(count), truth + 1, truth, truth - 2, None), **said)


def made_group(label, mae_c, baseline_mae_c, bias_c=0.0, ci95_c=None, coverage=None):
    skill = 1 - mae_c / baseline_mae_c
    return Group(label, 9, mae_c, ci95_c, bias_c, baseline_mae_c, skill, coverage, None)


def draw_groups(path, **said):
    found = [
        made_group("DJF", 2.0, 2.6, 0.1, (1.5, 2.5)),
        made_group("MAM", NAN, NAN, NAN),
        made_group("JJA", 3.0, 3.1, -0.2, (2.0, 4.0)),
    ]
    plots.groups(path, found, "season", **said)


def draw_reliability(path, **said):
    plots.reliability(path, [0.05, 0.25, 0.5, 0.75, 0.95], [0.06, 0.22, 0.5, NAN, 0.93], **said)


def draw_leads(path, **said):
    found = [
        made_group("1 h", 0.5, 0.7, coverage={"50": 0.5, "90": 0.9}),
        made_group("12 h", 1.5, 2.0, coverage={"50": 0.45, "90": 0.92}),
        made_group("24 h", 2.2, 2.6, coverage={"50": NAN, "90": 0.88}),
    ]
    plots.groups(path, found, "lead", **said)


def make_panel(leads=24, count=120, is_newest=True):
    coming = wave(leads)
    origin, valid_at = hours(count)[-1], hours(count + leads)[count:]
    measured = {"measured_at": hours(count + leads), "measured_c": np.append(wave(count), coming + 0.5)}
    forecast = {"valid_at": valid_at, "forecast_c": coming, "bands": around(coming), "baseline_c": 1.0}
    return Panel(title=f"panel {count}", origin=origin, is_newest=is_newest, **forecast, **measured)


def draw_forecast(path, leads=24, count=120, is_newest=True, **said):
    panels(path, [make_panel(leads, count, is_newest)], **said)


def draw_panels(path, counts=(30, 50, 70, 90, 110), **said):
    panels(path, [make_panel(count=count, is_newest=count == counts[-1]) for count in counts], **said)


def draw_forecasts(path, count=100, **said):
    middle, truth = wave(count), wave(count) + 1
    truth[count // 2 :] = NAN  # not known yet
    curves = {"forecast_c": middle, "bands": around(middle), "baseline_c": middle - 1, "measured_c": truth}
    forecasts(path, valid_at=hours(count), measured_at=hours(count), **curves, **said)


def draw_comparison(path, **said):
    errors = {"settings": ["train.epochs=5"], "test_mae_c": 2.4, "test_maes_c": [2.3, 2.5], "baseline_mae_c": 2.6}
    first = {"difference_to_first_c": None, "difference_to_first_ci95_c": None, "reading": None}
    second = {"difference_to_first_c": 0.1, "difference_to_first_ci95_c": (0.0, 0.2), "reading": "may be chance"}
    third = first | {"reading": "no errors by day"}
    paired = {"gru": first, "lstm": second, "dense": third}
    comparison(path, [SimpleNamespace(model=model, **errors, **figures) for model, figures in paired.items()])


# each picture, and the words that its axes and legends say
PICTURES = {
    "curves": (draw_curves, {"epoch", "MAE (°C)", "train", "validation", BASELINE}),
    "evaluation": (draw_evaluation, {"truth (°C)", "forecast minus truth (°C)", "≤ -12", "≥ 12", BASELINE}),
    "groups": (draw_groups, {"MAE (°C)", "bias (°C)", "JJA", BASELINE}),
    "reliability": (draw_reliability, {"truths at or below it (%)", "truths inside it (%)", "as predicted"}),
    "leads": (draw_leads, {"lead (h)", "MAE (°C)", "truths inside (%)", BASELINE}),
    "forecast": (draw_forecast, {"temperature (°C)", "time (the station's clock)", "now", "90 % interval", BASELINE}),
    "panels": (draw_panels, {"temperature (°C)", "hours from the last observation", "panel 30", BASELINE}),
    "forecast of one hour": (
        lambda path, **said: draw_forecast(path, leads=1, **said),
        {"temperature (°C)", "now", "50 % interval", BASELINE},
    ),
    "forecasts": (draw_forecasts, {"temperature (°C)", "time (the station's clock)", "truth", BASELINE}),
    "comparison": (
        draw_comparison,
        {
            *("test MAE (°C)", "gru, train.epochs=5", BASELINE, "test MAE less the first's, paired by day (°C)"),
            *("the first: gru, train.epochs=5", "difference, with 95 % interval", "lstm, train.epochs=5"),
        },
    ),
}


SAID = {"title": "best <&> $x$", "synthetic": False}


def texts(path):
    return {text.text for text in ET.parse(path).iter(f"{SVG}text")}  # noqa: S314 - our own
