"""What the simulated scenes show: six kinds of dim places, arranged anew for each scene number."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from sidcap.capture.simulated import objects, textures
from sidcap.capture.simulated.canvas import Canvas, Rgb
from sidcap.capture.simulated.objects import in_perspective, shaded, straight

# Light sources, relative to daylight in white-balanced camera RGB. Guesses by eye, not measured spectra.
TUNGSTEN: Rgb = (1.45, 1.0, 0.48)
WARM_LED: Rgb = (1.20, 1.0, 0.70)
COOL_LED: Rgb = (0.88, 1.0, 1.18)
FLUORESCENT: Rgb = (0.98, 1.06, 0.86)
SODIUM: Rgb = (1.60, 0.95, 0.28)
NIGHT_SKY: Rgb = (0.72, 0.95, 1.40)


def one_of(canvas: Canvas, *lights: Rgb) -> Rgb:
    return lights[int(canvas.rng.integers(len(lights)))]


def bookshelf(canvas: Canvas) -> None:
    """Shelves with books and a few other things, lit by a lamp standing among them."""
    rng, edge = canvas.rng, canvas.bleed
    main = one_of(canvas, TUNGSTEN, WARM_LED)
    canvas.ambient(one_of(canvas, NIGHT_SKY, COOL_LED, FLUORESCENT), 0.50, 0.60)
    canvas.lamp((rng.uniform(-0.1, canvas.width + 0.1), rng.uniform(-0.2, 0.2)), main, 0.75, 0.85)
    timber = shaded(objects.WALNUT if rng.random() < 0.35 else objects.PINE, rng.uniform(0.9, 1.15))
    whole = [(-edge, -edge), (canvas.width + edge, -edge), (canvas.width + edge, 1 + edge), (-edge, 1 + edge)]
    canvas.polygon(whole, shaded(timber, 0.8))

    rows = int(rng.integers(3, 5))
    pitch = rng.uniform(0.98, 1.12) / rows
    first = rng.uniform(0.75, 1.0) * pitch
    lamp_row = int(rng.integers(1, rows))
    bays = np.cumsum([rng.uniform(-0.3, 0.0), *rng.uniform(0.45, 0.7, 4)])
    for row in range(-1, rows + 1):
        base = first + row * pitch
        for left, right in pairwise(bays):
            _fill_bay(canvas, float(left) + 0.012, float(right) - 0.012, base, pitch)
        board = shaded(timber, 1.1)
        canvas.rectangle(-edge, base, canvas.width + edge, base + 0.022, board)
        canvas.rectangle(-edge, base + 0.019, canvas.width + edge, base + 0.024, shaded(timber, 0.5))
        below = base + 0.024
        canvas.shadow(
            [(-edge, below), (canvas.width + edge, below), (canvas.width + edge, below + 0.05), (-edge, below + 0.05)],
            0.5,
            0.02,
        )
        if row == lamp_row - 1:
            height = 0.75 * pitch
            objects.table_lamp(canvas, rng.uniform(0.3, 1.2), base, height, main, rng.uniform(1.0, 1.6))
    for u in bays:
        canvas.rectangle(float(u) - 0.011, -edge, float(u) + 0.011, 1 + edge, timber)
        canvas.rectangle(float(u) + 0.008, -edge, float(u) + 0.012, 1 + edge, shaded(timber, 0.55))
    canvas.texture(whole, textures.wood(rng, 0.10))


def _fill_bay(canvas: Canvas, left: float, right: float, base: float, pitch: float) -> None:
    rng, height = canvas.rng, 0.86 * pitch
    split = rng.uniform(left, right) if rng.random() < 0.6 else right
    objects.books(canvas, left, split, base, height)
    room = right - split
    if room < 0.09:
        return
    middle, size = (split + right) / 2, min(0.8 * height, 1.1 * room)
    match int(rng.integers(6)):
        case 0:
            objects.ball(canvas, (middle, base - 0.42 * size), 0.4 * size, objects.any_paint(canvas))
        case 1:
            objects.vase(canvas, middle, base, 0.55 * size)
        case 2:
            objects.picture(canvas, middle - 0.4 * size, base - 0.75 * size, middle + 0.4 * size, base)
        case 3:
            objects.plant(canvas, middle, base, 0.85 * size)
        case 4:
            objects.box(canvas, split + 0.02, base, 0.7 * room, 0.5 * size)
        case _:
            for i in range(int(rng.integers(3, 7))):  # books lying flat
                top = base - 0.03 * (i + 1)
                tone = objects.any_paint(canvas)
                canvas.rectangle(split + 0.01, top, right - rng.uniform(0.01, 0.05), top + 0.028, tone)
                objects.lettering(
                    canvas, straight((split + 0.03, top + 0.008), (0.5 * room, 0), (0, 0.012)), 9, objects.WHITE, 0.0008
                )


def still_life(canvas: Canvas) -> None:
    """A table with a checked cloth, bottles, fruit and a candle before a papered wall."""
    rng, edge = canvas.rng, canvas.bleed
    horizon = rng.uniform(0.48, 0.62)
    _papered_wall(canvas, horizon)
    main = one_of(canvas, TUNGSTEN, WARM_LED, FLUORESCENT)
    canvas.ambient(one_of(canvas, NIGHT_SKY, COOL_LED), 0.30, 0.24)
    canvas.lamp((rng.uniform(-0.2, 0.5), rng.uniform(-0.3, 0.1)), main, 1.0, 0.75)

    far = canvas.width * 0.5
    table = [
        (-edge - 0.1, horizon),
        (canvas.width + edge + 0.1, horizon),
        (canvas.width + 1.2, 1 + edge),
        (-1.2, 1 + edge),
    ]
    canvas.polygon(table, shaded(objects.WALNUT, 1.1))
    canvas.texture_in_perspective(table, textures.wood(rng, 0.2), (7, 3))
    canvas.shadow(
        [
            (-edge, horizon),
            (canvas.width + edge, horizon),
            (canvas.width + edge, horizon + 0.02),
            (-edge, horizon + 0.02),
        ],
        0.4,
        0.012,
    )
    reach = rng.uniform(0.35, 0.55)
    cloth = [
        (far - reach, horizon + 0.05),
        (far + reach * rng.uniform(0.8, 1.1), horizon + 0.05),
        (far + 1.7 * reach, 1 + edge),
        (far - 1.8 * reach, 1 + edge),
    ]
    _checked_cloth(canvas, cloth)

    _row_of_things(canvas, horizon + 0.12, 0.42, 5)
    _row_of_things(canvas, horizon + 0.24, 0.32, 4)
    if rng.random() < 0.8:
        _bowl_of_fruit(canvas, rng.uniform(0.45, 1.05), min(horizon + 0.36, 0.95), 0.2)
    _candle(canvas, rng.uniform(0.15, 1.3), horizon + rng.uniform(0.2, 0.33))
    for _ in range(int(rng.integers(2, 5))):
        u, v, r = rng.uniform(0.1, 1.4), rng.uniform(0.9, 1.0), rng.uniform(0.03, 0.05)
        objects.contact_shadow(canvas, u, v, r)
        objects.ball(canvas, (u, v - r), r, _fruit(canvas))


def _papered_wall(canvas: Canvas, bottom: float) -> None:
    rng, edge, paper = canvas.rng, canvas.bleed, shaded(objects.any_paint(canvas), 1.15)
    wall = [(-edge, -edge), (canvas.width + edge, -edge), (canvas.width + edge, bottom), (-edge, bottom)]
    canvas.polygon(wall, paper)
    pitch, second = rng.uniform(0.035, 0.08), shaded(objects.any_paint(canvas), 1.1)
    for i, u in enumerate(np.arange(-edge, canvas.width + edge, pitch)):
        if rng.random() < 0.97:
            canvas.rectangle(float(u), -edge, float(u) + 0.35 * pitch, bottom, shaded(paper, 0.8))
        for v in np.arange(-edge + 0.5 * pitch * (i % 2), bottom, pitch):
            canvas.ellipse((float(u) + 0.67 * pitch, float(v)), (0.10 * pitch, 0.22 * pitch), second, angle_deg=25)
            canvas.ellipse((float(u) + 0.67 * pitch, float(v)), (0.22 * pitch, 0.07 * pitch), second, angle_deg=25)
    canvas.texture(wall, textures.plaster(rng))
    if rng.random() < 0.5:
        u = rng.uniform(0.1, 0.9)
        objects.window_at_night(canvas, u, 0.03, u + 0.42, bottom - 0.12)
    else:
        for u in np.cumsum(rng.uniform(0.28, 0.45, 3)):
            v = rng.uniform(0.05, 0.15)
            objects.picture(canvas, float(u) - 0.2, v, float(u) + rng.uniform(-0.02, 0.05), v + rng.uniform(0.2, 0.26))


def _checked_cloth(canvas: Canvas, quad: list[tuple[float, float]]) -> None:
    place, colour, count = in_perspective(quad), objects.any_paint(canvas), int(canvas.rng.integers(12, 22))
    canvas.polygon(quad, objects.WHITE)
    light, dark = objects.mixed(colour, objects.WHITE), colour
    for i in range(count):
        for j in range(count):
            if i % 2 or j % 2:
                square = i / count, j / count, (i + 1) / count, (j + 1) / count
                objects.panel(canvas, place, square, dark if i % 2 and j % 2 else light)
    canvas.texture_in_perspective(quad, textures.weave(canvas.rng), (3, 3))


def _row_of_things(canvas: Canvas, base: float, height: float, count: int) -> None:
    kinds: tuple[Callable[[Canvas, float, float, float], None], ...] = (
        objects.bottle,
        objects.jar,
        objects.mug,
        objects.vase,
        objects.bottle,
        objects.plant,
    )
    sizes = (1.0, 0.55, 0.4, 0.6, 0.9, 0.95)
    for slot in canvas.rng.permutation(count):
        kind = int(canvas.rng.integers(len(kinds)))
        u = canvas.width * (slot + canvas.rng.uniform(0.25, 0.75)) / count
        kinds[kind](
            canvas, u, base + canvas.rng.uniform(-0.02, 0.03), sizes[kind] * height * canvas.rng.uniform(0.75, 1.05)
        )


def _fruit(canvas: Canvas) -> Rgb:
    fruits: tuple[Rgb, ...] = (
        (0.78, 0.22, 0.15),
        (0.90, 0.55, 0.15),
        (0.90, 0.80, 0.30),
        (0.50, 0.62, 0.22),
        (0.38, 0.16, 0.28),
    )
    return shaded(fruits[int(canvas.rng.integers(len(fruits)))], canvas.rng.uniform(0.85, 1.1))


def _bowl_of_fruit(canvas: Canvas, u: float, base: float, size: float) -> None:
    objects.contact_shadow(canvas, u, base, 0.8 * size)
    rim = base - 0.5 * size
    for _ in range(9):
        r = size * canvas.rng.uniform(0.24, 0.32)
        objects.ball(
            canvas,
            (u + canvas.rng.uniform(-0.6, 0.6) * size, rim - canvas.rng.uniform(-0.1, 0.25) * size),
            r,
            _fruit(canvas),
        )
    objects.turned(
        canvas,
        u,
        base,
        [(0, 0.3 * size), (0.08 * size, 0.34 * size), (0.3 * size, 0.85 * size), (0.5 * size, size)],
        objects.any_paint(canvas),
        gloss=0.3,
    )


def _candle(canvas: Canvas, u: float, base: float) -> None:
    height = canvas.rng.uniform(0.12, 0.2)
    objects.contact_shadow(canvas, u, base, 0.04)
    objects.turned(canvas, u, base, [(0, 0.045), (0.01, 0.045), (0.014, 0.02)], objects.BRASS, gloss=0.4)
    objects.turned(canvas, u, base - 0.012, [(0, 0.016), (height, 0.015)], objects.WHITE, gloss=0.1, light=0.2)
    flame = u, base - height - 0.035
    canvas.stroke([(u, base - height - 0.01), (u, base - height - 0.025)], objects.BLACK, 0.002)
    canvas.ellipse(flame, (0.008, 0.022), (1.0, 0.72, 0.3), 12.0)
    canvas.ellipse((u, flame[1] + 0.005), (0.004, 0.012), (1.0, 0.92, 0.7), 24.0)
    canvas.lamp(flame, TUNGSTEN, 1.3, 0.16)


def night_street(canvas: Canvas) -> None:
    """A street between brick houses, some windows lit, under lamps of two colours."""
    rng, edge = canvas.rng, canvas.bleed
    horizon, vanish = rng.uniform(0.5, 0.58), rng.uniform(0.6, 0.9)
    canvas.ambient(NIGHT_SKY, 0.8, 1.0)
    sky = [(-edge, -edge), (canvas.width + edge, -edge), (canvas.width + edge, horizon), (-edge, horizon)]
    canvas.polygon(sky, (0.30, 0.36, 0.52))
    for _ in range(120):
        star = rng.uniform(-edge, canvas.width + edge), rng.uniform(-edge, horizon)
        canvas.ellipse(star, (0.0006, 0.0006), (0.9, 0.9, 1.0), rng.uniform(0.3, 2))
    _distant_houses(canvas, horizon)

    ground = [(vanish - 0.12, horizon), (vanish + 0.12, horizon), (canvas.width + 1.3, 1 + edge), (-1.3, 1 + edge)]
    canvas.polygon(ground, (0.36, 0.35, 0.36))
    _paving(canvas, ground, int(rng.integers(16, 24)))
    canvas.texture_in_perspective(ground, textures.stone(rng), (5, 4))

    gap = rng.uniform(0.16, 0.24)
    left = [(-edge - 0.25, -0.75), (vanish - gap, horizon - 0.27), (vanish - gap, horizon + 0.03), (-edge - 0.25, 1.02)]
    right = [
        (vanish + gap, horizon - 0.27),
        (canvas.width + edge + 0.25, -0.75),
        (canvas.width + edge + 0.25, 1.02),
        (vanish + gap, horizon + 0.03),
    ]
    for quad in (left, right):
        _row_of_houses(canvas, quad)
    for depth, side in ((0.35, 1), (0.75, -1)):
        foot = vanish - side * (gap + 0.03) * (1 + 2.2 * depth), horizon + 0.05 + 0.42 * depth
        objects.street_lamp(canvas, *foot, 0.30 + 0.55 * depth, side, one_of(canvas, SODIUM, WARM_LED, COOL_LED), 5.0)
    objects.car(canvas, rng.uniform(0.15, 0.8), rng.uniform(0.86, 0.95), rng.uniform(0.42, 0.55))
    objects.car(canvas, vanish - 0.1 + rng.uniform(-0.1, 0.1), horizon + 0.13, 0.16)


def _distant_houses(canvas: Canvas, horizon: float) -> None:
    u = 0.2
    while u < canvas.width - 0.1:
        width, roof = canvas.rng.uniform(0.05, 0.12), horizon - canvas.rng.uniform(0.05, 0.2)
        tone = shaded(objects.any_paint(canvas), 0.5)
        canvas.polygon(
            [
                (u, roof),
                (u + width / 2, roof - 0.04),
                (u + width, roof),
                (u + width, horizon + 0.02),
                (u, horizon + 0.02),
            ],
            tone,
        )
        for v in np.arange(roof + 0.012, horizon, 0.022):
            for x in np.arange(u + 0.01, u + width - 0.008, 0.018):
                lit = 0.6 if canvas.rng.random() < 0.35 else 0.0
                canvas.rectangle(
                    float(x),
                    float(v),
                    float(x) + 0.009,
                    float(v) + 0.012,
                    (1.0, 0.8, 0.5) if lit else objects.NIGHT,
                    lit,
                )
        u += width


def _paving(canvas: Canvas, quad: list[tuple[float, float]], count: int) -> None:
    place = in_perspective(quad)
    for j in range(count):
        for i in range(count):
            shift = 0.5 * (j % 2) / count
            tone = shaded((0.52, 0.51, 0.50), canvas.rng.uniform(0.75, 1.25))
            objects.panel(
                canvas,
                place,
                (i / count + shift + 0.003, j / count + 0.003, (i + 0.92) / count + shift, (j + 0.92) / count),
                tone,
            )


def _row_of_houses(canvas: Canvas, quad: list[tuple[float, float]]) -> None:
    """Facades along a side of the street; the quad's first edge is the roof line."""
    rng, place, start = canvas.rng, in_perspective(quad), 0.0
    while start < 0.99:
        width = min(rng.uniform(0.18, 0.3), 1 - start)
        origin, span = start, width

        def house(s: float, t: float, origin: float = origin, span: float = span) -> tuple[float, float]:
            return place(origin + span * s, t)

        objects.bricks(canvas, house, 46, 14, shaded(objects.BRICKS[int(rng.integers(len(objects.BRICKS)))], 1.1))
        for floor in range(3):
            for column in range(3):
                s, t = 0.09 + 0.31 * column, 0.07 + 0.235 * floor

                def opening(a: float, b: float, s: float = s, t: float = t) -> tuple[float, float]:
                    return house(s + 0.18 * a, t + 0.14 * b)

                objects.lit_window(
                    canvas,
                    opening,
                    one_of(canvas, TUNGSTEN, WARM_LED, COOL_LED),
                    rng.uniform(0.2, 0.7) if rng.random() < 0.4 else 0.0,
                )
        _shop_front(canvas, house)
        start += width


def _shop_front(canvas: Canvas, house: objects.Placement) -> None:
    rng = canvas.rng
    paint = objects.any_paint(canvas)
    objects.panel(canvas, house, (0.0, 0.74, 1.0, 1.0), shaded(paint, 0.7))
    objects.panel(canvas, house, (0.05, 0.765, 0.95, 0.815), paint)

    def sign(s: float, t: float) -> tuple[float, float]:
        return house(0.12 + 0.76 * s, 0.773 + 0.034 * t)

    objects.lettering(canvas, sign, int(rng.integers(6, 11)), objects.WHITE, 0.003, rng.uniform(0.1, 0.6))
    light = rng.uniform(0.2, 0.6) if rng.random() < 0.6 else 0.0
    objects.panel(canvas, house, (0.08, 0.84, 0.62, 0.97), (1.0, 0.88, 0.66) if light else objects.NIGHT, light)
    for _ in range(7 if light else 0):
        s, t = rng.uniform(0.1, 0.55), rng.uniform(0.87, 0.93)
        objects.panel(canvas, house, (s, t, s + 0.05, 0.965), objects.any_paint(canvas), 0.5 * light)
    objects.panel(canvas, house, (0.70, 0.835, 0.92, 1.0), shaded(paint, 0.45))
    objects.panel(canvas, house, (0.74, 0.86, 0.88, 0.92), objects.NIGHT, 0.3 * light)


def workshop(canvas: Canvas) -> None:
    """A workbench under a strip light: pegboard with tools, paint cans, cartons, a drawing."""
    rng, edge = canvas.rng, canvas.bleed
    bench = rng.uniform(0.66, 0.76)
    main = one_of(canvas, FLUORESCENT, COOL_LED, WARM_LED)
    canvas.ambient(main, 0.75, 0.60)
    canvas.lamp((rng.uniform(0.2, 1.3), -0.15), main, 0.8, 0.7)
    board = shaded(objects.PINE, rng.uniform(0.85, 1.1))
    wall = [(-edge, -edge), (canvas.width + edge, -edge), (canvas.width + edge, bench), (-edge, bench)]
    canvas.polygon(wall, board)
    canvas.texture(wall, textures.plaster(rng, 0.07))
    pitch, first = rng.uniform(0.025, 0.034), rng.uniform(0, 0.025)
    for v in np.arange(first - edge, bench, pitch):
        for u in np.arange(first - edge, canvas.width + edge, pitch):
            canvas.ellipse((float(u), float(v)), (0.0032, 0.0032), shaded(board, 0.25))

    for u in np.arange(0.07, canvas.width, 0.145):
        _tool(canvas, float(u) + rng.uniform(-0.02, 0.02), rng.uniform(0.06, 0.13), rng.uniform(0.2, 0.34))
    shelf = bench - rng.uniform(0.17, 0.21)
    left, right = sorted(rng.uniform(0.0, canvas.width, 2))
    if right - left < 0.5:
        left, right = 0.1, 1.1
    u = left + 0.05
    while u < right - 0.05:
        objects.jar(canvas, u, shelf, rng.uniform(0.07, 0.11))
        u += rng.uniform(0.075, 0.12)
    canvas.rectangle(left, shelf, right, shelf + 0.016, objects.WALNUT)
    canvas.shadow(
        [(left, shelf + 0.016), (right, shelf + 0.016), (right, shelf + 0.06), (left, shelf + 0.06)], 0.5, 0.015
    )

    top = [(-edge, bench), (canvas.width + edge, bench), (canvas.width + 0.5, 1 + edge), (-0.5, 1 + edge)]
    canvas.polygon(top, shaded(objects.PINE, 0.9))
    canvas.texture_in_perspective(top, textures.wood(rng, 0.24), (5, 2))
    _drawing(canvas, rng.uniform(0.3, 0.8), bench + 0.08)
    for u in np.cumsum(rng.uniform(0.2, 0.4, 4)):
        base = bench + rng.uniform(0.03, 0.09)
        if rng.random() < 0.5:
            objects.box(canvas, float(u) - 0.1, base, rng.uniform(0.14, 0.2), rng.uniform(0.08, 0.13))
        else:
            objects.turned(
                canvas,
                float(u),
                base,
                [(0, 0.05), (0.11, 0.05), (0.112, 0.053), (0.12, 0.053)],
                objects.any_paint(canvas),
                gloss=0.3,
            )
            objects.contact_shadow(canvas, float(u), base, 0.05)
    if rng.random() < 0.7:
        objects.table_lamp(canvas, rng.uniform(0.15, 1.35), bench + 0.12, 0.34, TUNGSTEN, 1.9)


def _tool(canvas: Canvas, u: float, v: float, length: float) -> None:
    """A tool on its hook, hanging down from (u, v)."""
    grip, steel = objects.any_paint(canvas), shaded(objects.SILVER, canvas.rng.uniform(0.7, 1.0))
    end = v + length
    canvas.shadow([(u - 0.012, v), (u + 0.028, v), (u + 0.028, end), (u - 0.012, end)], 0.4, 0.008)
    match int(canvas.rng.integers(5)):
        case 0:  # hammer
            canvas.stroke([(u, v), (u, end)], objects.PINE, 0.016)
            canvas.stroke([(u, end - 0.3 * length), (u, end)], grip, 0.02)
            canvas.rectangle(u - 0.05, v - 0.015, u + 0.035, v + 0.02, steel)
        case 1:  # saw
            blade = [(u - 0.02, v + 0.1 * length), (u + 0.02, v + 0.1 * length), (u + 0.045, end), (u - 0.045, end)]
            canvas.polygon(blade, steel)
            teeth = np.linspace(v + 0.1 * length, end, 40)
            edge = [(u - 0.02 - 0.025 * i / 39 - 0.004 * (i % 2), float(t)) for i, t in enumerate(teeth)]
            canvas.stroke(edge, shaded(steel, 0.5), 0.0015)
            canvas.ellipse((u, v + 0.02), (0.035, 0.03), grip)
            canvas.ellipse((u, v + 0.02), (0.018, 0.013), objects.BLACK)
        case 2:  # spanner
            canvas.stroke([(u, v + 0.02), (u, end - 0.02)], steel, 0.014)
            for at in (v + 0.01, end - 0.01):
                canvas.ellipse((u, at), (0.02, 0.02), steel)
                canvas.ellipse((u, at - 0.006), (0.009, 0.012), objects.BLACK)
            objects.text_block(canvas, (u - 0.004, v + 0.3 * length), (0.008, 0.3 * length), 9, objects.BLACK)
        case 3:  # screwdrivers
            for i in range(3):
                x = u + 0.026 * (i - 1)
                canvas.stroke(
                    [(x, v), (x, v + (0.35 + 0.05 * i) * length)], shaded(objects.any_paint(canvas), 1.1), 0.016
                )
                canvas.stroke([(x, v + 0.35 * length), (x, v + (0.8 + 0.06 * i) * length)], steel, 0.005)
        case _:  # pliers
            canvas.stroke([(u - 0.03, end), (u - 0.012, v + 0.4 * length), (u + 0.008, v)], grip, 0.012)
            canvas.stroke([(u + 0.03, end), (u + 0.012, v + 0.4 * length), (u - 0.008, v)], grip, 0.012)
            canvas.ellipse((u, v + 0.25 * length), (0.018, 0.03), steel)


def _drawing(canvas: Canvas, u: float, v: float) -> None:
    """A sheet with a technical drawing, seen at an angle."""
    sheet = [(u, v), (u + 0.42, v + 0.01), (u + 0.5, v + 0.17), (u - 0.04, v + 0.15)]
    place = in_perspective(sheet)
    canvas.polygon(sheet, objects.WHITE)
    for t in np.linspace(0.05, 0.95, 10):
        canvas.stroke([place(0.03, float(t)), place(0.97, float(t))], (0.6, 0.68, 0.8), 0.0006)
        canvas.stroke([place(float(t), 0.05), place(float(t), 0.95)], (0.6, 0.68, 0.8), 0.0006)
    for _ in range(4):
        s, t, r = canvas.rng.uniform(0.15, 0.8), canvas.rng.uniform(0.2, 0.8), canvas.rng.uniform(0.04, 0.14)
        circle = [place(s + r * np.cos(a), t + 1.5 * r * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 40)]
        canvas.stroke(circle, objects.BLACK, 0.001)
        canvas.stroke([place(s - r, t), place(s + r, t)], objects.BLACK, 0.001)

    def caption(s: float, t: float) -> tuple[float, float]:
        return place(0.6 + 0.33 * s, 0.8 + 0.1 * t)

    objects.lettering(canvas, caption, 10, objects.BLACK, 0.001)


def doorway(canvas: Canvas) -> None:
    """A brick front at night: door, lantern, lit window, posters, plants and a bicycle."""
    rng, edge = canvas.rng, canvas.bleed
    ground = rng.uniform(0.84, 0.9)
    lantern_light = one_of(canvas, SODIUM, TUNGSTEN, WARM_LED)
    canvas.ambient(one_of(canvas, NIGHT_SKY, COOL_LED), 0.8, 0.8)
    mirrored = rng.random() < 0.5

    def at(u: float) -> float:
        return canvas.width - u if mirrored else u

    wall = straight((-edge, -edge), (canvas.width + 2 * edge, 0), (0, ground + edge))
    course, length = rng.uniform(0.021, 0.028), rng.uniform(0.065, 0.085)
    brick = objects.BRICKS[int(rng.integers(len(objects.BRICKS)))]
    objects.bricks(canvas, wall, round((ground + edge) / course), round((canvas.width + 2 * edge) / length), brick)
    canvas.texture(
        [(-edge, -edge), (canvas.width + edge, -edge), (canvas.width + edge, ground), (-edge, ground)],
        textures.stone(rng, 0.16),
    )
    pavement = [(-edge, ground), (canvas.width + edge, ground), (canvas.width + 0.8, 1 + edge), (-0.8, 1 + edge)]
    canvas.polygon(pavement, (0.34, 0.34, 0.35))
    _paving(canvas, pavement, 14)
    canvas.texture_in_perspective(pavement, textures.stone(rng), (6, 1))

    door = at(rng.uniform(0.33, 0.52))
    _door(canvas, door, ground, objects.any_paint(canvas))
    lantern = door + (0.2 if rng.random() < 0.5 else -0.2), 0.27
    canvas.rectangle(lantern[0] - 0.022, lantern[1] - 0.03, lantern[0] + 0.022, lantern[1] + 0.035, lantern_light, 6.0)
    for u in (-0.022, 0.0, 0.022):
        canvas.stroke([(lantern[0] + u, lantern[1] - 0.03), (lantern[0] + u, lantern[1] + 0.035)], objects.BLACK, 0.004)
    canvas.polygon(
        [
            (lantern[0] - 0.035, lantern[1] - 0.03),
            (lantern[0], lantern[1] - 0.06),
            (lantern[0] + 0.035, lantern[1] - 0.03),
        ],
        objects.BLACK,
    )
    canvas.lamp(lantern, lantern_light, 1.3, 0.4)

    window = at(rng.uniform(0.95, 1.15)) - 0.14
    sill = rng.uniform(0.5, 0.6)
    opening = straight((window, sill - 0.36), (0.28, 0), (0, 0.34))
    objects.lit_window(canvas, opening, one_of(canvas, TUNGSTEN, WARM_LED, COOL_LED), rng.uniform(0.2, 0.5))
    canvas.rectangle(window - 0.05, sill, window + 0.33, sill + 0.025, (0.6, 0.58, 0.55))
    for i in range(2):
        objects.plant(canvas, window + 0.06 + 0.16 * i, sill + 0.002, rng.uniform(0.12, 0.16))
    for u in (0.02, 1.3):
        objects.poster(
            canvas, at(u + 0.08) - 0.08, rng.uniform(0.25, 0.4), rng.uniform(0.13, 0.17), rng.uniform(0.2, 0.24)
        )
    if rng.random() < 0.7:
        objects.bicycle(canvas, at(1.08) - rng.uniform(0.15, 0.35), ground + 0.03, rng.uniform(0.22, 0.27))
    for u in rng.permutation((0.08, 0.75, 1.0, 1.4))[: int(rng.integers(1, 3))]:
        objects.plant(canvas, at(float(u)), ground + 0.03, rng.uniform(0.22, 0.34))
    number = straight((door - 0.16, 0.1), (0.32, 0), (0, 0.045))
    objects.panel(canvas, number, (-0.05, -0.3, 1.05, 1.3), (0.16, 0.24, 0.42))
    objects.lettering(canvas, number, int(rng.integers(7, 11)), objects.WHITE, 0.005)


def _door(canvas: Canvas, middle: float, base: float, colour: Rgb) -> None:
    half, top = 0.125, 0.2
    canvas.rectangle(middle - half - 0.025, top - 0.03, middle + half + 0.025, base, (0.66, 0.63, 0.58))
    canvas.rectangle(middle - half, top, middle + half, base, colour)
    for side in (-1, 1):
        for v0, v1 in ((top + 0.03, top + 0.2), (top + 0.23, top + 0.42), (top + 0.45, base - 0.04)):
            inner, outer = middle + side * 0.018, middle + side * (half - 0.02)
            left, right = min(inner, outer), max(inner, outer)
            canvas.rectangle(left, v0, right, v1, shaded(colour, 0.55))
            canvas.rectangle(left + 0.006, v0 + 0.006, right, v1, shaded(colour, 1.2))
            canvas.rectangle(left + 0.006, v0 + 0.006, right - 0.006, v1 - 0.006, shaded(colour, 0.9))
    objects.ball(canvas, (middle + half - 0.03, (top + base) / 2 + 0.03), 0.012, objects.BRASS, gloss=0.6)
    canvas.rectangle(middle - 0.05, top + 0.21, middle + 0.05, top + 0.225, objects.BRASS)
    canvas.rectangle(middle - half - 0.04, base - 0.01, middle + half + 0.04, base + 0.02, (0.55, 0.54, 0.52))


def kitchen(canvas: Canvas) -> None:
    """A tiled kitchen corner: hanging pans, a shelf of jars, window, counter with things on it."""
    rng, edge = canvas.rng, canvas.bleed
    counter = rng.uniform(0.74, 0.8)
    main = one_of(canvas, WARM_LED, TUNGSTEN, FLUORESCENT)
    canvas.ambient(one_of(canvas, NIGHT_SKY, COOL_LED), 0.22, 0.20)
    _tiles(canvas, counter)
    window_u = rng.uniform(0.05, 0.95)
    objects.window_at_night(canvas, window_u, 0.08, window_u + 0.4, 0.45)

    free = (window_u + 0.52, canvas.width) if window_u < 0.5 else (0.0, window_u - 0.1)
    shelf = rng.uniform(0.28, 0.34)
    u = free[0] + 0.06
    while u < free[1] - 0.02:
        objects.jar(canvas, u, shelf, rng.uniform(0.10, 0.15))
        u += rng.uniform(0.10, 0.14)
    canvas.rectangle(free[0], shelf, free[1], shelf + 0.02, objects.PINE)
    canvas.pool(
        [
            (free[0], shelf + 0.02),
            (free[1], shelf + 0.02),
            (free[1] + 0.1, counter + 0.1),
            (free[0] - 0.1, counter + 0.1),
        ],
        main,
        0.9,
        0.05,
    )
    canvas.lamp((rng.uniform(0.3, 1.2), -0.1), main, 0.75, 0.8)
    for i, u in enumerate(np.arange(free[0] + 0.1, free[1] - 0.05, 0.16)):
        _pan(canvas, float(u), shelf + 0.06, rng.uniform(0.05, 0.072), i)

    edge_colour = objects.any_paint(canvas)
    top = [(-edge, counter), (canvas.width + edge, counter), (canvas.width + 0.5, 0.93), (-0.5, 0.93)]
    canvas.polygon(top, shaded(objects.WALNUT, 1.3))
    canvas.texture_in_perspective(top, textures.wood(rng, 0.2), (6, 1))
    for u in np.arange(-edge - 0.1, canvas.width + edge, 0.3):  # cupboard doors below the counter
        canvas.rectangle(float(u), 0.93, float(u) + 0.295, 1 + edge, edge_colour)
        canvas.rectangle(float(u) + 0.02, 0.955, float(u) + 0.275, 1 + edge, shaded(edge_colour, 0.85))
        canvas.stroke([(float(u) + 0.11, 0.97), (float(u) + 0.19, 0.97)], objects.SILVER, 0.008)
    canvas.shadow([(-edge, 0.93), (canvas.width + edge, 0.93), (canvas.width + edge, 0.96), (-edge, 0.96)], 0.5, 0.015)
    _row_of_things(canvas, counter + 0.05, 0.3, 6)
    _row_of_things(canvas, counter + 0.11, 0.22, 3)
    _bowl_of_fruit(canvas, rng.uniform(0.3, 1.2), counter + 0.13, 0.13)


def _tiles(canvas: Canvas, bottom: float) -> None:
    rng, edge, size = canvas.rng, canvas.bleed, canvas.rng.uniform(0.05, 0.075)
    glaze, accent = shaded(objects.WHITE, rng.uniform(0.75, 0.95)), objects.any_paint(canvas)
    wall = [(-edge, -edge), (canvas.width + edge, -edge), (canvas.width + edge, bottom), (-edge, bottom)]
    canvas.polygon(wall, (0.5, 0.48, 0.45))
    for v in np.arange(-edge, bottom, size):
        for u in np.arange(-edge, canvas.width + edge, size):
            special = rng.random() < 0.12
            tone = shaded(accent if special else glaze, rng.uniform(0.85, 1.05))
            x, y = float(u) + 0.0022, float(v) + 0.0022
            canvas.rectangle(x, y, x + size - 0.0044, y + size - 0.0044, tone)
            canvas.rectangle(x, y, x + 0.003, y + size - 0.0044, shaded(tone, 1.12))
            if special:
                centre = x + size / 2, y + size / 2
                canvas.ellipse(centre, (0.3 * size, 0.12 * size), glaze, angle_deg=45)
                canvas.ellipse(centre, (0.3 * size, 0.12 * size), glaze, angle_deg=135)
    canvas.texture(wall, textures.plaster(rng, 0.05))


def _pan(canvas: Canvas, u: float, v: float, r: float, i: int) -> None:
    metal = (objects.SILVER, (0.72, 0.42, 0.28), objects.BLACK)[i % 3]
    centre = u, v + 0.12 + r
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    canvas.shadow([(u + 0.012 + r * np.cos(a), centre[1] + 0.014 + r * np.sin(a)) for a in around], 0.45, 0.01)
    canvas.stroke([(u, v), (u, centre[1] - 0.8 * r)], shaded(metal, 0.8), 0.014)
    canvas.ellipse((u, v + 0.006), (0.012, 0.014), shaded(metal, 0.5))
    canvas.ellipse(centre, (r, r), shaded(metal, 0.6))
    for k in range(9):
        t = k / 8
        canvas.ellipse(
            (centre[0] - 0.1 * r * t, centre[1] - 0.1 * r * t),
            (r * (0.95 - 0.5 * t), r * (0.95 - 0.5 * t)),
            shaded(metal, 0.7 + 0.35 * t),
        )


KINDS: tuple[Callable[[Canvas], None], ...] = (bookshelf, still_life, night_street, workshop, doorway, kitchen)
