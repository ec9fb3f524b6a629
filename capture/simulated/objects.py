"""Things that stand, hang and shine in the simulated scenes, each painted by one function.

Positions and sizes are in units of the frame's height (see :mod:`sidcap.capture.simulated.canvas`). Everything
random is drawn from the canvas's own generator, so a scene is a function of its number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from sidcap.capture.simulated.canvas import Canvas, Point, Rgb

Placement = Callable[[float, float], Point]

WHITE: Rgb = (0.93, 0.92, 0.89)
BLACK: Rgb = (0.10, 0.10, 0.11)
SILVER: Rgb = (0.72, 0.73, 0.75)
BRASS: Rgb = (0.74, 0.60, 0.30)
PINE: Rgb = (0.74, 0.56, 0.37)
WALNUT: Rgb = (0.42, 0.29, 0.20)
LEAF: Rgb = (0.28, 0.46, 0.22)
CLAY: Rgb = (0.68, 0.38, 0.26)
NIGHT: Rgb = (0.16, 0.20, 0.33)
BRICKS: tuple[Rgb, ...] = (CLAY, (0.72, 0.60, 0.42), (0.55, 0.52, 0.50), (0.74, 0.44, 0.34), (0.80, 0.76, 0.70))
PAINTS: tuple[Rgb, ...] = (
    (0.62, 0.18, 0.16),
    (0.80, 0.47, 0.20),
    (0.86, 0.74, 0.35),
    (0.30, 0.50, 0.30),
    (0.20, 0.46, 0.50),
    (0.22, 0.32, 0.56),
    (0.45, 0.28, 0.50),
    (0.78, 0.56, 0.55),
    (0.88, 0.85, 0.76),
    (0.36, 0.34, 0.33),
    (0.55, 0.62, 0.42),
    (0.50, 0.66, 0.74),
    (0.66, 0.30, 0.40),
    (0.24, 0.25, 0.28),
)

_LETTERS: tuple[tuple[tuple[Point, ...], ...], ...] = (
    (((0, 1), (0.5, 0), (1, 1)), ((0.2, 0.65), (0.8, 0.65))),  # A
    (((1, 0), (0, 0), (0, 1), (1, 1)), ((0, 0.5), (0.8, 0.5))),  # E
    (((0, 0), (0, 1)), ((1, 0), (1, 1)), ((0, 0.5), (1, 0.5))),  # H
    (((0.5, 0), (0.5, 1)),),  # I
    (((0, 1), (0, 0)), ((1, 0), (0, 0.5), (1, 1))),  # K
    (((0, 0), (0, 1), (1, 1)),),  # L
    (((0, 1), (0, 0), (1, 1), (1, 0)),),  # N
    (((0.2, 0), (0.8, 0), (1, 0.3), (1, 0.7), (0.8, 1), (0.2, 1), (0, 0.7), (0, 0.3), (0.2, 0)),),  # O
    (((0, 1), (0, 0), (0.9, 0.1), (0.9, 0.4), (0, 0.5), (1, 1)),),  # R
    (((1, 0.1), (0.5, 0), (0, 0.25), (1, 0.7), (0.5, 1), (0, 0.9)),),  # S
    (((0, 0), (1, 0)), ((0.5, 0), (0.5, 1))),  # T
    (((0, 0), (0, 0.8), (0.5, 1), (1, 0.8), (1, 0)),),  # U
)


def shaded(colour: Rgb, factor: float) -> Rgb:
    """``colour`` made darker (below 1) or lighter (above 1)."""
    red, green, blue = (min(max(c * factor, 0.0), 1.0) for c in colour)
    return red, green, blue


def mixed(a: Rgb, b: Rgb) -> Rgb:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2


def any_paint(canvas: Canvas) -> Rgb:
    return shaded(PAINTS[int(canvas.rng.integers(len(PAINTS)))], canvas.rng.uniform(0.8, 1.15))


def straight(origin: Point, across: Point, down: Point) -> Placement:
    """Placement of the unit square by its corner and its two edges."""
    return lambda s, t: (origin[0] + s * across[0] + t * down[0], origin[1] + s * across[1] + t * down[1])


def in_perspective(quad: Sequence[Point]) -> Placement:
    """Placement of the unit square into a quadrilateral (corners clockwise from the upper left) as seen in depth.

    Heckbert, Fundamentals of Texture Mapping and Image Warping (1989), section 2.2.3.
    """
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = quad
    sx, sy = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    dx1, dy1, dx2, dy2 = x1 - x2, y1 - y2, x3 - x2, y3 - y2
    determinant = dx1 * dy2 - dx2 * dy1
    g, h = (sx * dy2 - dx2 * sy) / determinant, (dx1 * sy - sx * dy1) / determinant

    def place(s: float, t: float) -> Point:
        w = 1 + g * s + h * t
        u = x0 + (x1 - x0 + g * x1) * s + (x3 - x0 + h * x3) * t
        v = y0 + (y1 - y0 + g * y1) * s + (y3 - y0 + h * y3) * t
        return u / w, v / w

    return place


def panel(
    canvas: Canvas, place: Placement, box: tuple[float, float, float, float], colour: Rgb, light: float = 0.0
) -> None:
    """Fill the box (s0, t0, s1, t1) of a placement."""
    s0, t0, s1, t1 = box
    canvas.polygon([place(s0, t0), place(s1, t0), place(s1, t1), place(s0, t1)], colour, light)


def lettering(
    canvas: Canvas, place: Placement, letters: int, colour: Rgb, thickness: float, light: float = 0.0
) -> None:
    """A line of words filling the unit square of ``place``."""
    pitch, lines = 1 / letters, []
    for i in range(letters):
        if 0 < i < letters - 1 and canvas.rng.random() < 0.13:
            continue  # between two words
        letter = _LETTERS[int(canvas.rng.integers(len(_LETTERS)))]
        lines += [[place((i + 0.12 + 0.7 * s) * pitch, t) for s, t in line] for line in letter]
    canvas.strokes(lines, colour, thickness, light)


def text_block(canvas: Canvas, origin: Point, size: Point, lines: int, colour: Rgb) -> None:
    """Small print: ``lines`` of words, the last one short."""
    line_height = size[1] / lines
    letters = max(int(size[0] / (0.62 * line_height)), 2)
    for i in range(lines):
        count = letters if i < lines - 1 else max(letters // 2, 2)
        width = size[0] * count / letters
        place = straight((origin[0], origin[1] + i * line_height), (width, 0), (0, 0.6 * line_height))
        lettering(canvas, place, count, colour, 0.09 * line_height)


def turned(
    canvas: Canvas,
    centre_u: float,
    base_v: float,
    profile: Sequence[Point],
    colour: Rgb,
    *,
    gloss: float = 0.3,
    light: float = 0.0,
    strips: int = 22,
) -> None:
    """A body of revolution, lit from the upper left. ``profile``: (height above the base, radius), upwards."""
    edges = np.sin(np.linspace(-np.pi / 2, np.pi / 2, strips + 1))
    for left, right in pairwise(edges):
        middle = (left + right) / 2
        lambert = 0.45 + 0.6 * max(-0.45 * middle + 0.85 * np.sqrt(1 - middle**2), 0)
        highlight = gloss * np.exp(-(((middle + 0.45) / 0.12) ** 2))
        tone = shaded(colour, lambert)
        tone = (tone[0] + highlight, tone[1] + highlight, tone[2] + highlight)
        up = [(centre_u + r * left, base_v - h) for h, r in profile]
        down = [(centre_u + r * right + 2e-4, base_v - h) for h, r in reversed(profile)]
        canvas.polygon(up + down, tone, light)


def ball(canvas: Canvas, centre: Point, radius: float, colour: Rgb, gloss: float = 0.35) -> None:
    """A sphere lit from the upper left."""
    steps = 26
    for i in range(steps):
        t = i / (steps - 1)
        tone = shaded(colour, 0.40 + 0.75 * t)
        shine = gloss * max(t - 0.86, 0) / 0.14
        at = centre[0] - 0.38 * radius * t, centre[1] - 0.42 * radius * t
        r = radius * (1 - t) ** 0.8 + 0.02 * radius
        canvas.ellipse(at, (r, r), (tone[0] + shine, tone[1] + shine, tone[2] + shine))


def contact_shadow(canvas: Canvas, centre_u: float, base_v: float, radius: float) -> None:
    """The dark patch beside and under what stands on a surface."""
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    canvas.shadow(
        [(centre_u + radius * (0.35 + 1.5 * np.cos(a)), base_v + 0.35 * radius * np.sin(a)) for a in around],
        0.62,
        0.22 * radius,
    )


def books(canvas: Canvas, u0: float, u1: float, base_v: float, height: float) -> None:
    """A row of book spines with bands and titles; some lean, some are missing."""
    u = u0
    while u < u1 - 0.012:
        width = min(canvas.rng.uniform(0.014, 0.042), u1 - u)
        if canvas.rng.random() < 0.07:
            u += width
            continue
        _book(canvas, u, base_v, width, height * canvas.rng.uniform(0.68, 1.0))
        u += width


def _book(canvas: Canvas, u: float, base_v: float, width: float, height: float) -> None:
    lean = canvas.rng.uniform(0.01, 0.03) if canvas.rng.random() < 0.08 else 0.0
    place = straight((u + lean, base_v - height), (width * 0.97, 0), (-lean, height))
    colour = any_paint(canvas)
    ink = WHITE if sum(colour) < 1.3 else BLACK
    panel(canvas, place, (0, 0, 1, 1), colour)
    panel(canvas, place, (0, 0, 0.12, 1), shaded(colour, 0.6))
    panel(canvas, place, (0.25, 0, 0.45, 1), shaded(colour, 1.12))
    panel(canvas, place, (0.9, 0, 1, 1), shaded(colour, 0.5))
    for t in (0.07, 0.88):
        if canvas.rng.random() < 0.6:
            panel(canvas, place, (0, t, 1, t + 0.025), BRASS if canvas.rng.random() < 0.5 else ink)
    start, length = canvas.rng.uniform(0.14, 0.25), canvas.rng.uniform(0.35, 0.55)
    if canvas.rng.random() < 0.3:
        panel(canvas, place, (0.12, start - 0.02, 0.9, start + length + 0.02), any_paint(canvas))

    # A title runs down the spine: its letters stand on their side.
    def down_the_spine(s: float, t: float) -> Point:
        return place(0.72 - 0.42 * t, start + length * s)

    lettering(canvas, down_the_spine, int(canvas.rng.integers(5, 13)), ink, 0.05 * width)


def bottle(canvas: Canvas, u: float, base_v: float, height: float) -> None:
    colour = ((0.16, 0.30, 0.18), (0.34, 0.20, 0.10), (0.55, 0.66, 0.66), (0.20, 0.26, 0.40))[
        int(canvas.rng.integers(4))
    ]
    r = height * canvas.rng.uniform(0.13, 0.17)
    contact_shadow(canvas, u, base_v, r)
    profile = [(0, r), (0.58 * height, r), (0.70 * height, 0.42 * r), (0.95 * height, 0.36 * r), (height, 0.40 * r)]
    turned(canvas, u, base_v, profile, colour, gloss=0.55)
    turned(canvas, u, base_v - 0.14 * height, [(0, 1.01 * r), (0.32 * height, 1.01 * r)], WHITE, gloss=0.0)
    label = straight((u - 0.7 * r, base_v - 0.43 * height), (1.4 * r, 0), (0, 0.08 * height))
    lettering(canvas, label, 7, any_paint(canvas), 0.008 * height)
    text_block(canvas, (u - 0.6 * r, base_v - 0.31 * height), (1.2 * r, 0.14 * height), 4, BLACK)


def jar(canvas: Canvas, u: float, base_v: float, height: float) -> None:
    r = 0.36 * height
    contact_shadow(canvas, u, base_v, r)
    turned(
        canvas,
        u,
        base_v,
        [(0, 0.94 * r), (0.06 * height, r), (0.8 * height, r), (0.86 * height, 0.8 * r)],
        any_paint(canvas),
        gloss=0.4,
    )
    turned(canvas, u, base_v - 0.85 * height, [(0, 0.88 * r), (0.15 * height, 0.88 * r)], SILVER, gloss=0.25)
    canvas.rectangle(u - 0.6 * r, base_v - 0.62 * height, u + 0.6 * r, base_v - 0.28 * height, WHITE)
    label = straight((u - 0.5 * r, base_v - 0.55 * height), (r, 0), (0, 0.16 * height))
    lettering(canvas, label, 5, BLACK, 0.015 * height)


def mug(canvas: Canvas, u: float, base_v: float, height: float) -> None:
    r, colour = 0.42 * height, any_paint(canvas)
    contact_shadow(canvas, u, base_v, r)
    side = 1 if canvas.rng.random() < 0.5 else -1
    handle = [
        (u + side * r * (1 + 0.55 * np.sin(a)), base_v - height * (0.5 + 0.3 * np.cos(a)))
        for a in np.linspace(0, np.pi, 14)
    ]
    canvas.stroke(handle, shaded(colour, 0.75), 0.13 * height)
    turned(canvas, u, base_v, [(0, 0.9 * r), (0.1 * height, r), (height, r)], colour, gloss=0.4)
    canvas.ellipse((u, base_v - height), (r, 0.22 * r), shaded(colour, 0.5))
    canvas.ellipse((u, base_v - height + 0.05 * r), (0.9 * r, 0.16 * r), (0.20, 0.13, 0.09))


def vase(canvas: Canvas, u: float, base_v: float, height: float) -> None:
    """A vase with a few flowers."""
    colour, r = any_paint(canvas), 0.30 * height
    contact_shadow(canvas, u, base_v, r)
    petals = any_paint(canvas)
    for _ in range(int(canvas.rng.integers(5, 9))):
        tip = u + canvas.rng.uniform(-0.42, 0.42) * height, base_v - height * canvas.rng.uniform(1.15, 1.6)
        canvas.stroke([(u, base_v - 0.6 * height), tip], shaded(LEAF, 0.8), 0.015 * height)
        leaf_at = (u + 0.6 * (tip[0] - u), base_v - 0.6 * height + 0.6 * (tip[1] - base_v + 0.6 * height))
        canvas.ellipse(leaf_at, (0.09 * height, 0.03 * height), LEAF, angle_deg=canvas.rng.uniform(0, 180))
        for a in np.linspace(0, 2 * np.pi, 6, endpoint=False):
            at = tip[0] + 0.055 * height * np.cos(a), tip[1] + 0.055 * height * np.sin(a)
            canvas.ellipse(at, (0.05 * height, 0.035 * height), shaded(petals, 1.0 + 0.15 * np.sin(a)))
        canvas.ellipse(tip, (0.025 * height, 0.025 * height), BRASS)
    profile = [(0, 0.55 * r), (0.3 * height, r), (0.6 * height, 0.75 * r), (0.85 * height, 0.4 * r), (height, 0.55 * r)]
    turned(canvas, u, base_v, profile, colour, gloss=0.45)


def plant(canvas: Canvas, u: float, base_v: float, height: float) -> None:
    """A clay pot with a bush of leaves."""
    pot = 0.42 * height
    contact_shadow(canvas, u, base_v, 0.4 * pot)
    turned(canvas, u, base_v, [(0, 0.34 * pot), (0.8 * pot, 0.48 * pot)], CLAY, gloss=0.1)
    turned(canvas, u, base_v - 0.8 * pot, [(0, 0.54 * pot), (0.2 * pot, 0.54 * pot)], shaded(CLAY, 1.08), gloss=0.1)
    for _ in range(130):
        a, reach = canvas.rng.uniform(np.pi, 2 * np.pi), height * canvas.rng.uniform(0.08, 0.5)
        at = u + reach * np.cos(a), base_v - 1.05 * pot + 1.1 * reach * np.sin(a)
        tone = shaded(LEAF, canvas.rng.uniform(0.45, 1.35))
        canvas.ellipse(at, (0.09 * height, 0.028 * height), tone, angle_deg=np.degrees(a) + canvas.rng.uniform(-40, 40))


def picture(canvas: Canvas, u0: float, v0: float, u1: float, v1: float) -> None:
    """A framed picture: a landscape of bands with a sun, behind a mount."""
    frame = 0.06 * (u1 - u0) + 0.004
    canvas.shadow([(u0, v0), (u1 + frame, v0), (u1 + frame, v1 + frame), (u0, v1 + frame)], 0.4, 0.006)
    canvas.rectangle(u0, v0, u1, v1, (WALNUT, BRASS, BLACK)[int(canvas.rng.integers(3))])
    canvas.rectangle(u0 + frame, v0 + frame, u1 - frame, v1 - frame, WHITE)
    left, top, right, bottom = u0 + 2 * frame, v0 + 2 * frame, u1 - 2 * frame, v1 - 2 * frame
    canvas.rectangle(left, top, right, bottom, any_paint(canvas))
    radius = 0.12 * (bottom - top)
    sun = canvas.rng.uniform(left + radius, right - radius), top + canvas.rng.uniform(0.2, 0.4) * (bottom - top)
    canvas.ellipse(sun, (radius, radius), any_paint(canvas))
    us = np.linspace(left, right, 24)
    for level in (0.5, 0.65, 0.82):
        waves = canvas.rng.uniform(8, 40), canvas.rng.uniform(0, 6)
        ridge = [(float(x), top + (bottom - top) * (level + 0.07 * np.sin(waves[0] * x + waves[1]))) for x in us]
        canvas.polygon([*ridge, (right, bottom), (left, bottom)], any_paint(canvas))


def poster(canvas: Canvas, u0: float, v0: float, width: float, height: float) -> None:
    """A printed sheet: headline, picture block and small print."""
    paper, ink = (WHITE, any_paint(canvas)) if canvas.rng.random() < 0.6 else (any_paint(canvas), WHITE)
    tilt = canvas.rng.uniform(-0.02, 0.02)
    place = straight((u0, v0), (width, tilt * width), (-tilt * height, height))
    panel(canvas, place, (0, 0, 1, 1), paper)
    headline = straight(place(0.08, 0.06), (0.84 * width, 0.84 * tilt * width), (-0.14 * tilt * height, 0.14 * height))
    lettering(canvas, headline, int(canvas.rng.integers(4, 8)), ink, 0.02 * height)
    panel(canvas, place, (0.08, 0.27, 0.92, 0.66), any_paint(canvas))
    for _ in range(5):
        at = place(canvas.rng.uniform(0.25, 0.75), canvas.rng.uniform(0.36, 0.57))
        size = canvas.rng.uniform(0.05, 0.14) * width
        canvas.ellipse(
            at, (size, size * canvas.rng.uniform(0.4, 1)), any_paint(canvas), angle_deg=canvas.rng.uniform(0, 90)
        )
    text_block(canvas, place(0.08, 0.71), (0.84 * width, 0.24 * height), 6, ink)


def box(canvas: Canvas, u: float, base_v: float, width: float, height: float) -> None:
    """A carton seen slightly from above, with a label."""
    colour, depth = shaded(PINE, canvas.rng.uniform(0.8, 1.1)), 0.25 * height
    contact_shadow(canvas, u + width / 2, base_v, width / 2)
    top = base_v - height
    canvas.polygon(
        [(u, top), (u + depth, top - depth), (u + width + depth, top - depth), (u + width, top)], shaded(colour, 1.15)
    )
    side = [
        (u + width, top),
        (u + width + depth, top - depth),
        (u + width + depth, base_v - depth),
        (u + width, base_v),
    ]
    canvas.polygon(side, shaded(colour, 0.55))
    canvas.rectangle(u, top, u + width, base_v, colour)
    canvas.rectangle(u + 0.44 * width, top, u + 0.56 * width, base_v, shaded(colour, 1.12))
    canvas.rectangle(u + 0.1 * width, top + 0.3 * height, u + 0.62 * width, top + 0.75 * height, WHITE)
    text_block(canvas, (u + 0.13 * width, top + 0.36 * height), (0.46 * width, 0.36 * height), 4, BLACK)


def table_lamp(canvas: Canvas, u: float, base_v: float, height: float, colour: Rgb, light: float) -> None:
    """A lamp whose shade glows in ``colour`` and lights its surroundings."""
    contact_shadow(canvas, u, base_v, 0.15 * height)
    foot = [
        (0, 0.16 * height),
        (0.03 * height, 0.16 * height),
        (0.06 * height, 0.03 * height),
        (0.55 * height, 0.025 * height),
    ]
    turned(canvas, u, base_v, foot, BRASS, gloss=0.4)
    turned(
        canvas,
        u,
        base_v - 0.52 * height,
        [(0, 0.30 * height), (0.48 * height, 0.17 * height)],
        colour,
        gloss=0.0,
        light=0.4 * light,
    )
    canvas.lamp((u, base_v - 0.7 * height), colour, 0.8 * light, 0.45 * height)
    canvas.pool(
        [
            (u - 0.8 * height, base_v + 0.3 * height),
            (u + 0.8 * height, base_v + 0.3 * height),
            (u + 0.3 * height, base_v - 0.5 * height),
            (u - 0.3 * height, base_v - 0.5 * height),
        ],
        colour,
        0.5 * light,
        0.12 * height,
    )


def window_at_night(canvas: Canvas, u0: float, v0: float, u1: float, v1: float) -> None:
    """A window onto a city after dark, its lights out of focus."""
    canvas.rectangle(u0, v0, u1, v1, NIGHT, 0.25)
    skyline = u0
    while skyline < u1 - 0.01:
        width = min(canvas.rng.uniform(0.03, 0.09), u1 - skyline)
        roof = v0 + (v1 - v0) * canvas.rng.uniform(0.35, 0.7)
        canvas.rectangle(skyline, roof, skyline + width, v1, shaded(NIGHT, canvas.rng.uniform(0.45, 0.8)), 0.1)
        skyline += width
    for _ in range(46):
        at = canvas.rng.uniform(u0, u1), v0 + (v1 - v0) * canvas.rng.uniform(0.45, 1.0)
        r = canvas.rng.uniform(0.003, 0.008)
        hue: Rgb = ((1, 0.75, 0.35), (1, 0.9, 0.7), (0.8, 0.9, 1), (1, 0.35, 0.25))[int(canvas.rng.integers(4))]
        canvas.ellipse(at, (r, r), hue, canvas.rng.uniform(0.4, 2.5))
    bar, frame = 0.010, WHITE
    for u in np.linspace(u0, u1, 3):
        canvas.rectangle(float(u) - bar, v0 - bar, float(u) + bar, v1 + bar, frame)
    for v in np.linspace(v0, v1, 3):
        canvas.rectangle(u0 - bar, float(v) - bar, u1 + bar, float(v) + bar, shaded(frame, 0.9))
    canvas.rectangle(u0 - 0.03, v1 + bar, u1 + 0.03, v1 + 0.035, shaded(frame, 0.85))


def lit_window(canvas: Canvas, place: Placement, colour: Rgb, light: float) -> None:
    """A window seen from outside: dark (light 0) or lit, with curtains and bars."""
    panel(canvas, place, (-0.12, -0.08, 1.12, 1.1), (0.62, 0.60, 0.56))
    panel(canvas, place, (0, 0, 1, 1), colour if light else NIGHT, light)
    if light and canvas.rng.random() < 0.7:
        fabric = shaded(any_paint(canvas), 1.1)
        for s0, s1 in ((0.0, 0.24), (0.76, 1.0)):
            for i in range(4):
                a, b = s0 + (s1 - s0) * i / 4, s0 + (s1 - s0) * (i + 1) / 4
                panel(canvas, place, (a, 0, b, 1), shaded(fabric, 0.75 + 0.25 * (i % 2)), 0.6 * light)
    if light and canvas.rng.random() < 0.5:
        panel(canvas, place, (0.35, 0.55, 0.6, 1), (0.25, 0.2, 0.18), 0.2 * light)
    panel(canvas, place, (0.47, 0, 0.53, 1), (0.5, 0.48, 0.45))
    panel(canvas, place, (0, 0.36, 1, 0.41), (0.5, 0.48, 0.45))


def bricks(canvas: Canvas, place: Placement, courses: int, per_course: int, colour: Rgb) -> None:
    """A wall in running bond, each brick of its own shade, over the unit square of ``place``."""
    panel(canvas, place, (0, 0, 1, 1), shaded(colour, 1.25))
    joint_s, joint_t = 0.07 / per_course, 0.16 / courses
    for row in range(courses):
        offset = 0.5 * (row % 2)
        for i in range(-1, per_course + 1):
            s0, s1 = max((i + offset) / per_course, 0), min((i + 1 + offset) / per_course, 1)
            if s1 - s0 < 2 * joint_s:
                continue
            tone = shaded(colour, canvas.rng.uniform(0.68, 1.08))
            panel(canvas, place, (s0 + joint_s, row / courses + joint_t, s1 - joint_s, (row + 1) / courses), tone)


def bicycle(canvas: Canvas, u: float, base_v: float, size: float) -> None:
    """A bicycle leaning at a wall; ``size`` is the wheels' diameter."""
    r, colour = size / 2, any_paint(canvas)
    hubs = (u, base_v - r), (u + 1.65 * size, base_v - r)
    for hub in hubs:
        rim = [(hub[0] + r * np.cos(a), hub[1] + r * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 60)]
        canvas.stroke(rim, BLACK, 0.05 * size)
        canvas.stroke(
            [(hub[0] + 0.93 * (x - hub[0]), hub[1] + 0.93 * (y - hub[1])) for x, y in rim], SILVER, 0.012 * size
        )
        for a in np.linspace(0, 2 * np.pi, 18, endpoint=False):
            canvas.stroke([hub, (hub[0] + 0.92 * r * np.cos(a), hub[1] + 0.92 * r * np.sin(a))], SILVER, 0.004 * size)
    crank, seat, head = (
        (u + 0.72 * size, base_v - 0.45 * size),
        (u + 0.5 * size, base_v - 1.15 * size),
        (u + 1.35 * size, base_v - 1.1 * size),
    )
    for tube in ((hubs[0], crank), (hubs[0], seat), (crank, seat), (crank, head), (seat, head), (head, hubs[1])):
        canvas.stroke(tube, colour, 0.045 * size)
    canvas.stroke(
        [(seat[0] - 0.14 * size, seat[1] - 0.05 * size), (seat[0] + 0.15 * size, seat[1] - 0.05 * size)],
        BLACK,
        0.07 * size,
    )
    canvas.stroke(
        [(head[0] + 0.12 * size, head[1] - 0.2 * size), (head[0], head[1] - 0.22 * size), head], SILVER, 0.03 * size
    )
    canvas.ellipse(crank, (0.12 * size, 0.12 * size), shaded(SILVER, 0.6))


def car(canvas: Canvas, u: float, base_v: float, length: float) -> None:
    """A parked car from the side, tail light on."""
    colour, h = any_paint(canvas), 0.36 * length
    contact_shadow(canvas, u + 0.45 * length, base_v, 0.42 * length)
    body = [
        (0, 0.12),
        (0.0, 0.45),
        (0.04, 0.56),
        (0.22, 0.60),
        (0.34, 0.97),
        (0.70, 1.0),
        (0.88, 0.62),
        (0.98, 0.55),
        (1.0, 0.2),
        (0.97, 0.12),
    ]
    canvas.polygon([(u + s * length, base_v - t * h) for s, t in body], colour)
    for pane in (
        ((0.27, 0.62), (0.36, 0.91), (0.51, 0.93), (0.51, 0.62)),
        ((0.54, 0.62), (0.54, 0.93), (0.69, 0.94), (0.82, 0.62)),
    ):
        canvas.polygon([(u + s * length, base_v - t * h) for s, t in pane], shaded(NIGHT, 0.8))
    canvas.polygon(
        [(u + s * length, base_v - t * h) for s, t in ((0.02, 0.5), (0.99, 0.5), (0.99, 0.46), (0.01, 0.46))],
        shaded(colour, 1.3),
    )
    canvas.stroke(
        [(u + 0.525 * length, base_v - 0.15 * h), (u + 0.525 * length, base_v - 0.6 * h)],
        shaded(colour, 0.6),
        0.004 * length,
    )
    for s in (0.2, 0.8):
        hub = u + s * length, base_v - 0.14 * h
        canvas.ellipse(hub, (0.088 * length, 0.088 * length), BLACK)
        canvas.ellipse(hub, (0.052 * length, 0.052 * length), SILVER)
        canvas.ellipse(hub, (0.02 * length, 0.02 * length), BLACK)
    tail = u + 0.012 * length, base_v - 0.47 * h
    canvas.ellipse(tail, (0.014 * length, 0.03 * length), (0.95, 0.12, 0.08), 2.5)
    canvas.lamp(tail, (1.6, 0.15, 0.08), 0.35, 0.1 * length)


def street_lamp(canvas: Canvas, u: float, base_v: float, height: float, side: int, colour: Rgb, light: float) -> None:
    """A pole with an arm towards ``side`` (-1 left, 1 right), its lamp, and the cone of light under it."""
    top, end = base_v - height, u + side * 0.2 * height
    canvas.stroke(
        [(u, base_v), (u, top + 0.05 * height), (u + side * 0.05 * height, top), (end, top)], BLACK, 0.016 * height
    )
    canvas.ellipse((end, top + 0.012 * height), (0.05 * height, 0.018 * height), colour, light)
    canvas.lamp((end, top), colour, 0.35 * light, 0.13 * height)
    spread = 0.55 * height
    canvas.pool(
        [(end, top), (end + spread, base_v + 0.1 * height), (end - spread, base_v + 0.1 * height)],
        colour,
        0.12 * light,
        0.09 * height,
    )
