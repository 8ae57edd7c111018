"""Two real data sets of angles: every flight out of New York in 2013, and the wind at its airports."""

from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Angles(NamedTuple):
    """Angles x (N,) on a circle of the given period, with a natural logit z (N,) for each."""

    x: NDArray[np.float64]
    z: NDArray[np.float64]
    period: float


def _load(name: str) -> dict[str, NDArray[Any]]:
    with files(__name__).joinpath(name).open("rb") as file, np.load(file) as arrays:
        return dict(arrays)


def departures() -> Angles:
    """Return 328,521 departure times as angles in radians, each weighted by its flight's miles.

    Examples
    --------
    >>> from kdexent.data import departures
    >>> departures().x.shape
    (328521,)
    """
    arrays = _load("nyc2013_departures.npz")
    angle = 2 * np.pi * arrays["minute_of_day"] / 1440
    return Angles(angle, np.log(arrays["distance_miles"].astype(np.float64)), 2 * np.pi)


def wind() -> Angles:
    """Return 24,398 hourly wind directions in degrees, each weighted by the wind's speed.

    Examples
    --------
    >>> from kdexent.data import wind
    >>> wind().period
    360.0
    """
    arrays = _load("nyc2013_wind.npz")
    direction = arrays["direction_deg"].astype(np.float64)
    return Angles(direction, np.log(arrays["speed_mph"].astype(np.float64)), 360.0)
