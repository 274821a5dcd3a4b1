"""The intervals around forecasts from station files; their widths follow the errors of the last weeks."""

import logging

import numpy as np
from numpy.typing import NDArray

from jenacast.data.series import Floats, Times
from jenacast.features.datasets import Histories
from jenacast.features.encoding import Encoding
from jenacast.forecasting.observations import Observations
from jenacast.forecasting.origins import recent_origins
from jenacast.models.forecaster import Forecaster
from jenacast.models.intervals import ENDS, Residuals, spread_inputs
from jenacast.models.recent import RECENT_DAYS, recent_widths

NOTHING_HELD_OUT = "it was made elsewhere, or trained on validation too, so that no data were left to calibrate it on"
UNCALIBRATED = (
    "it was not calibrated on held-out data. A finished run of `jenacast train` gives them; an older checkpoint does "
    "after `jenacast ensemble CKPT --out NEW.keras`"
)

logger = logging.getLogger(__name__)


def earlier_origins(checkpoint: Forecaster, encoding: Encoding, observations: Observations, asked: Times) -> Times:
    """Where to forecast from too, in order of time, so that the errors of the last weeks before `asked` are known.

    None for a network whose intervals do not depend on them: one without any, or an older one.
    """
    leads = checkpoint.calibration.leads if checkpoint.calibration else ()
    if not any(lead.mean_distance for lead in leads):
        return asked[:0]
    recent_hours = 24 * RECENT_DAYS + encoding.lead_hours
    return recent_origins(observations, asked, hours=encoding.needed_hours, recent_hours=recent_hours)


def intervals(
    checkpoint: Forecaster,
    encoding: Encoding,
    histories: Histories,
    leads_c: Floats,
    truth_c: Floats,
    asked: NDArray[np.bool_],
) -> tuple[dict[str, Floats], Floats]:
    """The intervals of the forecasts that were asked for.

    Without a calibration there are none, and a warning says why.

    Args:
        checkpoint: the network.
        encoding: everything between measured values and it.
        histories: what it was forecast from, earlier origins among them.
        leads_c: (histories, leads) degC, what it said.
        truth_c: (histories, leads) degC, what came; NaN where that is not known.
        asked: (histories,) which of them were asked for.

    Returns:
        by nominal coverage in percent the ends, (asked, leads, 2) degC; and (asked, leads) how many times as wide as
        calibrated they are.
    """
    calibration, widths = checkpoint.calibration, np.ones((asked.sum(), len(encoding.leads)))
    if calibration is None:
        held_out = checkpoint.metadata is not None and checkpoint.metadata.trained_on == "train"
        logger.warning("%s gives no intervals: %s", checkpoint.path, UNCALIBRATED if held_out else NOTHING_HELD_OUT)
        return {}, widths
    ends_c = {name: np.empty((*widths.shape, 2)) for name in ENDS}
    for number, lead in enumerate(encoding.leads):
        inputs, forecast_c = spread_inputs(histories, lead), leads_c[:, number]
        past = Residuals(forecast_c, truth_c[:, number], inputs).pick(~checkpoint.has_seen(inputs.valid_at))
        widths[:, number] = recent_widths(calibration.leads[number], past, histories.now[asked])
        quantiles_c = calibration.quantiles_c(number, forecast_c[asked], inputs.pick(asked), widths[:, number])
        for name, places in ENDS.items():
            ends_c[name][:, number] = quantiles_c[:, places]
    return ends_c, widths
