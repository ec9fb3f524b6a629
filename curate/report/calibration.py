"""What darks and flats told of each body at each ISO, as numbers, plots and maps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from sidcap.curate.photon_transfer import levels_of
from sidcap.curate.report.contents import Contents
from sidcap.curate.report.words import NOTHING, body, day, measured, seconds
from sidcap.data_manifest.errors import SidcapError
from sidcap.data_manifest.pages.document import Block, Facts, Figure, Section, Table, Words
from sidcap.data_manifest.raw import read_raw
from sidcap.data_manifest.schema import CalibrationFrame, DarkFrame, FlatFrame, Measured, SensorRecord
from sidcap.data_manifest.sensor import DarkMaps
from sidcap.data_manifest.words import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

MOST_SENSORS: Final = 4
"""So many bodies and ISOs have plots of their own; the table has all."""
_MAP_WIDTH_PX: Final = 180
_PATCH_PX: Final = 768
"""Side of the middle of each flat that the plot of photon transfer is made from."""


def calibration(contents: Contents) -> Section:
    """The table of all bodies and ISOs, then the plots of each."""
    records = sorted(contents.calibration.sensors, key=lambda record: (body(record.camera), record.iso))
    blocks: list[Block] = []
    if not contents.calibration.frames:
        blocks.append(
            Words(
                "No darks and no flats were shot: noise is as published for the body, or told by the pairs themselves."
            )
        )
    elif not records:
        blocks.append(Words("Darks or flats are there, but were not evaluated: run `sidcap calibrate`.", "doubt"))
    if records:
        blocks.append(_summary(records))
    if len({record.iso for record in records if record.read_noise_e is not None}) > 1:
        blocks.append(_read_noise_figure([record for record in records if record.read_noise_e is not None]))
    for number, record in enumerate(records[:MOST_SENSORS], 1):
        blocks += _of_sensor(contents, record, number)
    if len(records) > MOST_SENSORS:
        blocks.append(Words(f"Plots of {counted(len(records) - MOST_SENSORS, 'more body and ISO')} are left out."))
    return Section("calibration", "Calibration of the sensor", tuple(blocks))


def _summary(records: Sequence[SensorRecord]) -> Table:
    def value(found: Measured | None) -> str:
        return NOTHING if found is None else measured(found, "").strip()

    rows = tuple(
        (
            body(record.camera),
            str(record.iso),
            value(record.gain_e_per_dn),
            value(record.read_noise_e),
            value(record.read_noise_dn),
            value(record.dark_current_e_per_s),
            NOTHING if record.hot_pixels is None else f"{record.hot_pixels:,}",
            f"{len(record.frames):,}",
        )
        for record in records
    )
    columns = (
        "Camera",
        "ISO",
        "Gain, e⁻/DN",
        "Read noise, e⁻",
        "Read noise, DN",
        "Dark current, e⁻/s",
        "Hot pixels",
        "Frames",
    )
    return Table(
        "What was found of each body",
        columns,
        rows,
        frozenset(columns[1:]),
        note="± is one standard deviation. DN: steps of the raw file. e⁻: electrons.",
    )


def _read_noise_figure(records: Sequence[SensorRecord]) -> Figure:
    def draw(canvas: Canvas) -> None:
        from sidcap.data_manifest.pages.plots import legend, scatter

        axes = canvas.subplots()
        for series, name in enumerate(dict.fromkeys(body(record.camera) for record in records)):
            mine = [record for record in records if body(record.camera) == name]
            noise = [record.read_noise_e for record in mine if record.read_noise_e is not None]
            scatter(
                axes, [record.iso for record in mine], [one.value for one in noise], series, name,
                error=[one.sigma or 0 for one in noise],
            )  # fmt: skip
        axes.set_xscale("log", base=2)
        isos = sorted({record.iso for record in records})
        axes.set_xticks(isos, [str(iso) for iso in isos])
        axes.margins(y=0.15)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("ISO")
        axes.set_ylabel("read noise, electrons")
        legend(canvas, axes)

    rows = tuple((body(record.camera), str(record.iso), measured(record.read_noise_e, "e⁻")) for record in records)
    return Figure(
        "read-noise",
        "Read noise by ISO",
        "The noise of a photosite in the dark, pattern of rows left out. It usually falls as the ISO rises.",
        draw,
        Table("The numbers of this plot", ("Camera", "ISO", "Read noise"), rows, frozenset({"ISO", "Read noise"})),
        size_in=(7.4, 3.0),
    )


def _of_sensor(contents: Contents, record: SensorRecord, number: int) -> Iterator[Block]:
    name = f"{body(record.camera)} at ISO {record.iso}"
    yield Facts(name, tuple(_facts(record)))
    flats = [flat for flat in contents.calibration.flats if _is_of(flat, record)]
    darks = [dark for dark in contents.calibration.darks if _is_of(dark, record)]
    if flats and record.gain_e_per_dn is not None:
        points, problems = _transfer_points(contents, flats)
        if any(point.variance_dn2 > 0 for point in points):
            yield _transfer_figure(record, points, number, name)
        if problems:
            yield Words("Left out of the photon transfer: " + "; ".join(problems), "bad")
    if len({dark.exposure.true_s for dark in darks}) > 1:
        yield _dark_level_figure(record, darks, number, name)
    yield from _map_blocks(contents, record, number, name)


def _is_of(frame: CalibrationFrame, record: SensorRecord) -> bool:
    return record.is_of(frame.camera, frame.iso.set)


def _facts(record: SensorRecord) -> Iterator[tuple[str, str]]:
    yield "Gain", f"{measured(record.gain_e_per_dn, 'e⁻/DN')}{_from(record.gain_source)}"
    noise_e, noise_dn = measured(record.read_noise_e, "e⁻"), measured(record.read_noise_dn, "DN")
    yield "Read noise", f"{noise_e}, {noise_dn}{_from(record.read_noise_source)}"
    if record.white_dn is not None:
        yield "White level", f"{record.white_dn:.6g} DN, where overexposed flats pile up"
    if record.black_dn is not None:
        yield "Black level of the four planes", ", ".join(f"{plane.value:.2f}" for plane in record.black_dn) + " DN"
    if record.row_noise_dn is not None:
        yield "What a row has in common, anew in each frame", f"{record.row_noise_dn:.3g} DN"
    if record.row_offset_rms_dn is not None and record.column_offset_rms_dn is not None:
        yield (
            "Pattern that stays, rows and columns",
            f"{record.row_offset_rms_dn:.3g} DN and {record.column_offset_rms_dn:.3g} DN",
        )
    yield "Dark current", f"{measured(record.dark_current_e_per_s, 'e⁻/s')}"
    yield "Glow at the brightest edge", f"{measured(record.glow_e_per_s, 'e⁻/s')}"
    if record.dark_exposures_s:
        yield "Darks of", ", ".join(seconds(exposure) for exposure in record.dark_exposures_s)
    yield "Computed", f"{day(record.measured_utc)}, {record.method}, from {counted(len(record.frames), 'frame')}"


def _from(source: str) -> str:
    return f" ({source})" if source else ""


@dataclass(frozen=True)
class _Point:
    """Two flats of one setting: light and noise in their middle."""

    exposure_s: float
    mean_dn: float
    variance_dn2: float
    beyond: bool
    """Too near white to be evaluated."""


def _transfer_points(contents: Contents, flats: Sequence[FlatFrame]) -> tuple[list[_Point], list[str]]:
    """The first two flats of every setting, measured in their middle; and which could not be read."""
    settings: dict[tuple[float, float], list[FlatFrame]] = defaultdict(list)
    for flat in flats:
        settings[flat.exposure.true_s, flat.aperture or 0.0].append(flat)
    points, problems = [], []
    for (exposure_s, _), members in sorted(settings.items()):
        if len(members) < 2:
            continue
        try:
            points.append(_point(contents, exposure_s, members[0], members[1]))
        except SidcapError as error:
            problems.append(str(error).replace(f"{contents.store.root.resolve()}/", ""))
    return points, problems


def _point(contents: Contents, exposure_s: float, one: FlatFrame, other: FlatFrame) -> _Point:
    frames = [read_raw(contents.store.path(flat.path)) for flat in (one, other)]
    planes = levels_of(*(_middle(frame.signal()) for frame in frames), lit=True)
    mean_dn = float(np.mean([np.median(plane.mean_dn) for plane in planes]))
    variance_dn2 = float(np.mean([np.median(plane.variance_dn2) for plane in planes]))
    white_dn = frames[0].white.dn - float(np.mean(frames[0].black.per_plane_dn))
    return _Point(exposure_s, mean_dn, variance_dn2, beyond=mean_dn > 0.7 * white_dn)


def _middle(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """The middle of a frame, cut so that its colour filter array begins as before."""
    rows, columns = ((max(side - _PATCH_PX, 0) // 2) // 2 * 2 for side in signal.shape)
    return signal[rows : rows + _PATCH_PX, columns : columns + _PATCH_PX]


def _transfer_figure(record: SensorRecord, points: Sequence[_Point], number: int, name: str) -> Figure:
    gain = record.gain_e_per_dn.value if record.gain_e_per_dn else 1.0
    read_noise = record.read_noise_dn.value if record.read_noise_dn else 0.0

    def draw(canvas: Canvas) -> None:
        from sidcap.data_manifest.pages.plots import INK, legend, log_axis, scatter

        axes = canvas.subplots()
        for series, beyond, label in ((0, False, "flats"), (1, True, "too near white, not used")):
            members = [point for point in points if point.beyond is beyond and point.variance_dn2 > 0]
            if members:
                light, noise = zip(*((point.mean_dn, point.variance_dn2) for point in members), strict=True)
                scatter(axes, light, noise, series, label)
        drawn = [point.mean_dn for point in points if point.variance_dn2 > 0]
        levels = np.geomspace(min(drawn) / 2, 1.5 * max(drawn), 100)
        label = f"calibration: {gain:.4g} e⁻/DN, read noise {read_noise:.3g} DN"
        axes.plot(levels, levels / gain + read_noise**2, color=INK, linewidth=1, label=label)
        log_axis(axes, "x")
        log_axis(axes, "y")
        axes.set_xlabel("mean light, DN above black")
        axes.set_ylabel("variance of the noise, DN²")
        legend(canvas, axes)

    rows = tuple(
        (
            seconds(point.exposure_s),
            f"{point.mean_dn:.1f}",
            f"{point.variance_dn2:.1f}",
            "no" if point.beyond else "yes",
        )
        for point in points
    )
    columns = ("Exposure", "Mean, DN", "Variance, DN²", "Used")
    return Figure(
        f"photon-transfer-{number}",
        f"Photon transfer: {name}",
        "Each mark is a pair of flats of one exposure, measured in the middle of the frame; the line is what the "
        "calibration found in all of it. Marks on the line: the noise is that of counted photons. Overexposed "
        "flats have no noise and no mark.",
        draw,
        Table("The numbers of this plot", columns, rows, frozenset(columns[:3])),
    )


def _dark_level_figure(record: SensorRecord, darks: Sequence[DarkFrame], number: int, name: str) -> Figure:
    points = [
        (dark.exposure.true_s, float(np.mean(dark.mean_dn)) - float(np.mean(dark.black.per_plane_dn))) for dark in darks
    ]

    def draw(canvas: Canvas) -> None:
        from sidcap.data_manifest.pages.plots import INK, scatter

        axes = canvas.subplots()
        scatter(axes, [time for time, _ in points], [level for _, level in points], 0, "")
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set_xlabel("exposure, s")
        axes.set_ylabel("dark level, DN above masked black" if record.masked_black_dn else "dark level, DN above black")

    rows = tuple(
        (dark.path.rsplit("/", 1)[-1], f"{time:.5g}", f"{level:+.3f}")
        for dark, (time, level) in zip(darks, points, strict=True)
    )
    columns = ("Dark", "Exposure, s", "Level, DN")
    return Figure(
        f"dark-level-{number}",
        f"Level of the darks by exposure: {name}",
        "Each mark is one dark frame. A rise with time is dark current and glow; where the level is not zero at short "
        "times, the visible photosites are a little brighter or darker than the masked ones.",
        draw,
        Table("The numbers of this plot", columns, rows, frozenset(columns[1:])),
        size_in=(7.4, 2.8),
    )


def _map_blocks(contents: Contents, record: SensorRecord, number: int, name: str) -> Iterator[Block]:
    if record.maps is None:
        return
    try:
        sensor = contents.store.sensor(record.camera, record.iso)
    except SidcapError as error:
        yield Words(str(error), "bad")
        return
    if sensor is not None and sensor.maps is not None:
        yield _shading_figure(sensor.maps, number, name)
        yield _hot_figure(sensor.maps, number, name)


def _shading_figure(maps: DarkMaps, number: int, name: str) -> Figure:
    side = _block(maps.shape_px)
    offset, rate = (_binned(np.where(maps.hot, np.nan, map_)) for map_ in (maps.offset_dn, maps.rate_dn_per_s))

    def draw(canvas: Canvas) -> None:
        panels = canvas.subplots(1, 2)
        height, width = maps.shape_px
        for axes, shading, title in zip(panels, (offset, rate), ("at 0 s, DN", "growth, DN/s"), strict=True):
            low, high = np.percentile(shading, (1, 99))
            image = axes.imshow(
                shading, cmap="cividis", vmin=low, vmax=high, extent=(0, width, height, 0), interpolation="none"
            )
            axes.set_title(title)
            axes.set_xlabel("column")
            axes.grid(visible=False)
            canvas.colorbar(image, ax=axes, orientation="horizontal", shrink=0.9)
        panels[0].set_ylabel("row")

    rows = tuple(
        (what, *(f"{number_:+.4g}" for number_ in (*np.percentile(shading, (1, 50, 99)), shading.std())))
        for what, shading in (("At 0 s, DN", offset), ("Growth, DN/s", rate))
    )
    columns = ("Blocks of the map", "1st percentile", "Median", "99th percentile", "Standard deviation")
    return Figure(
        f"dark-shading-{number}",
        f"Dark shading: {name}",
        "What the sensor shows without light: what is there at once (left), and what grows with time (right). Means of "
        f"blocks of {side} × {side} photosites without hot pixels; colours span 98 % of them.",
        draw,
        Table("The numbers of this plot", columns, rows, frozenset(columns[1:])),
        size_in=(7.4, 3.8),
    )


def _hot_figure(maps: DarkMaps, number: int, name: str) -> Figure | Words:
    if not maps.hot.any():
        return Words("No photosite stands out of its surroundings in the dark by six times the read noise.", "good")
    rows_of, columns_of = np.nonzero(maps.hot)
    height, width = maps.shape_px
    plane_counts = [int(maps.hot[y::2, x::2].sum()) for y in (0, 1) for x in (0, 1)]

    def draw(canvas: Canvas) -> None:
        from sidcap.data_manifest.pages.plots import SERIES

        axes = canvas.subplots()
        axes.scatter(
            columns_of, rows_of, s=2.5, color=SERIES[1], marker="s", linewidths=0, rasterized=len(rows_of) > 200
        )
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.set_aspect("equal")
        axes.set_xlabel("column")
        axes.set_ylabel("row")

    share = len(rows_of) / maps.hot.size
    rows = tuple(
        (f"plane {plane}", f"{count:,}", f"{count / (maps.hot.size / 4):.4%}".replace("%", " %"))
        for plane, count in enumerate(plane_counts, 1)
    )
    columns = ("Plane of the colour filter", "Hot pixels", "Share")
    return Figure(
        f"hot-pixels-{number}",
        f"Hot pixels: {name}",
        f"{len(rows_of):,} photosites ({share:.3%}".replace("%", " %")
        + ") stand out of their surroundings in the dark by six "
        "times the read noise. A network that is told of them has them replaced by their neighbours. Marks are larger "
        "than photosites.",
        draw,
        Table("The numbers of this plot", columns, rows, frozenset(columns[1:])),
        size_in=(7.4, 4.6),
    )


def _block(shape_px: tuple[int, int]) -> int:
    return max(2, -(-shape_px[1] // _MAP_WIDTH_PX))


def _binned(map_: NDArray[np.floating]) -> NDArray[np.float64]:
    """Means of square blocks, what is NaN left out."""
    side = _block((map_.shape[0], map_.shape[1]))
    rows, columns = (length // side for length in map_.shape)
    blocks = map_[: rows * side, : columns * side].astype(np.float64).reshape(rows, side, columns, side)
    there = np.isfinite(blocks)
    counts = there.sum(axis=(1, 3))
    means = np.where(there, blocks, 0).sum(axis=(1, 3)) / np.maximum(counts, 1)
    return np.where(counts, means, float(np.nanmedian(map_)))
