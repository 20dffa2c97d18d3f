"""The heatmap's scales as the colour-blind see them: the order stays, and no two levels become one.

Simulated after Machado, Oliveira and Fernandes 2009 ("A Physiologically-based Model for Simulation
of Color Vision Deficiency"), their matrices at severity 1.0, on linear RGB. Distances are those of
CIELAB (1976), where 2.3 is what can just be told apart (Mahy, Van Eycken and Oosterlinck 1994).
"""

from itertools import combinations, pairwise, product

import numpy as np
import pytest

from app.views.heatmap import (
    DIFFERENCE_LEVELS,
    FALL_DARK,
    FALL_LIGHT,
    LEVELS,
    RAMP_DARK,
    RAMP_LIGHT,
    RISE_DARK,
    RISE_LIGHT,
    ramp,
)

JUST_NOTICEABLE = 2.3
PLAIN = 5 * JUST_NOTICEABLE  # ours: told apart at a glance, also when not side by side

SIGHT = {
    "all colours": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
# sRGB (IEC 61966-2-1) to XYZ, divided by its white (D65).
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = TO_XYZ.sum(axis=1)


def seen(colour, sight):
    """A colour's place in CIELAB (L*, a*, b*) for somebody with that sight."""
    share = np.array(colour) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    x, y, z = (TO_XYZ @ np.clip(SIGHT[sight] @ linear, 0, 1)) / WHITE
    fx, fy, fz = (
        np.cbrt(one) if one > (6 / 29) ** 3 else one / (3 * (6 / 29) ** 2) + 4 / 29
        for one in (x, y, z)
    )
    return np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])


def levels_seen(stops, count, sight):
    return [seen(ramp(stops, step / (count - 1)), sight) for step in range(count)]


def apart(one, other):
    return float(np.linalg.norm(one - other))


SCALES = [
    pytest.param(RAMP_LIGHT, LEVELS, -1, id="entropy-light"),
    pytest.param(RAMP_DARK, LEVELS, 1, id="entropy-dark"),
    pytest.param(RISE_LIGHT, DIFFERENCE_LEVELS, -1, id="rise-light"),
    pytest.param(FALL_LIGHT, DIFFERENCE_LEVELS, -1, id="fall-light"),
    pytest.param(RISE_DARK, DIFFERENCE_LEVELS, 1, id="rise-dark"),
    pytest.param(FALL_DARK, DIFFERENCE_LEVELS, 1, id="fall-dark"),
]


def test_simulation_leaves_greys_and_takes_red_from_green():
    """Each row of a matrix sums to 1, so a grey stays; this pair differs in red and green alone."""
    red, green = (200, 60, 0), (110, 110, 0)
    for sight in SIGHT:
        assert apart(seen((128, 128, 128), sight), seen((128, 128, 128), "all colours")) < 0.1
    assert apart(seen(red, "all colours"), seen(green, "all colours")) > 5 * PLAIN
    for sight in ("protanopia", "deuteranopia"):
        assert apart(seen(red, sight), seen(green, sight)) < PLAIN


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize(("stops", "count", "sign"), SCALES)
def test_levels_stay_in_order_and_apart(stops, count, sign, sight):
    places = levels_seen(stops, count, sight)
    lightness = [sign * place[0] for place in places]
    assert all(low < high for low, high in pairwise(lightness))
    assert min(apart(*pair) for pair in combinations(places, 2)) > JUST_NOTICEABLE


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("stops", [RAMP_LIGHT, RAMP_DARK])
def test_one_two_four_and_eight_choices_are_told_apart_at_a_glance(stops, sight):
    places = levels_seen(stops, LEVELS, sight)
    ticks = [places[step] for step in (0, 5, 10, 15)]
    assert min(apart(*pair) for pair in combinations(ticks, 2)) > PLAIN


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize(("rise", "fall"), [(RISE_LIGHT, FALL_LIGHT), (RISE_DARK, FALL_DARK)])
def test_no_rise_looks_like_a_fall(rise, fall, sight):
    sides = (levels_seen(stops, DIFFERENCE_LEVELS, sight) for stops in (rise, fall))
    assert min(apart(*pair) for pair in product(*sides)) > PLAIN
