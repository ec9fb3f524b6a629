"""What a sensor says without light, from darks of several exposures: black, fixed pattern, dark current, hot pixels.

The mean of a photosite is taken to be linear in the exposure time, an offset and a rate (Feng et al., PMN, 2022). Darks
are added one at a time to two running sums, so that any number of them costs the memory of a few.

A map averaged over n darks keeps their noise divided by the root of n, and that rest is the same for every frame it is
subtracted from: a fixed pattern of its own, which registration would take for an image that did not move. So a map
keeps what is certain (large-scale shading, columns, rows, photosites that stand out), and of the rest of each photosite
only the share that is pattern and not noise (Wiener, 1949).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.curate.photon_transfer import PLANES, Levels, levels_of
from sidcap.data_manifest.errors import CalibrationError
from sidcap.data_manifest.raw import RawFrame
from sidcap.data_manifest.schema import Measured
from sidcap.data_manifest.sensor import DarkMaps

HOT_SIGMA = 6.0
"""A hot pixel stands out of its surroundings by so many times the read noise of one frame, in the longest darks."""

_SHADING_BLOCK_PX = 16
"""Side of a block of the large-scale shading, in pixels of a plane."""
_CLIP_SIGMA = 4.0
"""Beyond so many standard deviations a value is a hot pixel's, and pulls a mean no further."""
_CERTAIN_SIGMA = 5.0
"""A photosite that stands out by this is no noise: of 20 million, ten do by chance."""
_MEDIAN_BLOCK_PX = 64
_GLOW_DEPTH = 0.01
"""How deep the strip along an edge is in which glow is looked for, relative to the width."""
_GLOW_PARTS = 8
"""Into so many parts each edge is divided."""
_LARGEST_FLOAT16 = 6e4
_MOST_AT_ZERO = 0.01

Plane = tuple[slice, slice]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Seen:
    """What is kept of one dark."""

    exposure_s: float
    visible_dn: NDArray[np.float64]
    """Mean of each plane, hot pixels clipped, black included."""
    masked_dn: NDArray[np.float64]
    rows_dn: NDArray[np.float64]
    """Mean of each row, DN above black."""
    columns_dn: NDArray[np.float64]


@dataclass(frozen=True)
class RowStructure:
    """What rows and columns have in common, DN."""

    row_noise: float | None
    row_offset_rms: float | None
    column_offset_rms: float | None


@dataclass
class DarkStack:
    """Darks of one body at one ISO, added one by one, those of one exposure time in succession."""

    _seen: list[_Seen] = field(default_factory=list)
    _sum: Floats | None = None
    _sum_by_time: Floats | None = None
    _before: tuple[float, Floats] | None = None
    _levels: dict[float, list[list[Levels]]] = field(default_factory=dict)

    def add(self, frame: RawFrame, exposure_s: float) -> None:
        """One more dark, of the size of the first. CalibrationError where the camera cut its noise off at 0."""
        if np.count_nonzero(frame.mosaic) < (1 - _MOST_AT_ZERO) * frame.mosaic.size:
            raise CalibrationError("the camera cuts noise off at black: such darks tell neither read noise nor black")
        signal = frame.signal()
        if self._sum is None or self._sum_by_time is None:
            self._sum, self._sum_by_time = np.zeros_like(signal), np.zeros_like(signal)
        self._sum += signal
        self._sum_by_time += signal * np.float32(exposure_s)
        if self._before is not None and self._before[0] == exposure_s:
            self._levels.setdefault(exposure_s, []).append(levels_of(self._before[1], signal, lit=False))
        self._before = exposure_s, signal
        masked = np.array(frame.black.per_plane_dn)
        clipped = _clipped(signal)
        planes = np.array([clipped[plane].mean(dtype=np.float64) for plane in PLANES])
        self._seen.append(
            _Seen(
                exposure_s,
                planes + masked,
                masked,
                clipped.mean(axis=1, dtype=np.float64),
                clipped.mean(axis=0, dtype=np.float64),
            )
        )

    @property
    def exposures_s(self) -> tuple[float, ...]:
        """The exposure times, ascending."""
        return tuple(sorted({seen.exposure_s for seen in self._seen}))

    @property
    def levels(self) -> list[Levels]:
        """Blocks of the pairs of the shortest darks of which there are two."""
        return [levels for pair in self._shortest_pairs() for levels in pair]

    def read_noise_dn(self) -> Measured:
        """Temporal standard deviation of a photosite in the shortest darks, and its scatter over planes and pairs."""
        deviations = np.sqrt([levels.mean_variance_dn2() for levels in self.levels])
        if not deviations.all():
            raise CalibrationError("the darks have no noise: they are no raw frames of a camera")
        return Measured(value=float(deviations.mean()), sigma=float(deviations.std(ddof=1) / np.sqrt(len(deviations))))

    def _shortest_pairs(self) -> list[list[Levels]]:
        if not self._levels:
            raise CalibrationError("every dark is of another exposure: shoot at least two of each")
        return self._levels[min(self._levels)]

    def visible_black_dn(self) -> list[Measured]:
        """Level of each plane at 0 s."""
        return [self._at_zero([seen.visible_dn[plane] for seen in self._seen])[0] for plane in range(4)]

    def masked_black_dn(self) -> list[Measured]:
        """The same of the masked photosites."""
        return [self._at_zero([seen.masked_dn[plane] for seen in self._seen])[0] for plane in range(4)]

    def _at_zero(self, levels: list[float]) -> tuple[Measured, Measured | None]:
        """Level at 0 s, and its growth in a second: None where all exposures are alike."""
        values = np.array(levels)
        times = np.array([seen.exposure_s for seen in self._seen])
        if len(self.exposures_s) == 1:
            sigma = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
            return Measured(value=float(values.mean()), sigma=sigma), None
        design = np.stack([np.ones_like(times), times], axis=1)
        solution, *_ = np.linalg.lstsq(design, values)
        free = len(values) - 2
        if free == 0:
            return Measured(value=float(solution[0])), Measured(value=float(solution[1]))
        scatter = float(np.sum((values - design @ solution) ** 2)) / free
        sigmas = np.sqrt(scatter * np.diag(np.linalg.inv(design.T @ design)))
        at_zero, growth = (Measured(value=float(v), sigma=float(s)) for v, s in zip(solution, sigmas, strict=True))
        return at_zero, growth

    def row_structure(self) -> RowStructure:
        """Noise and fixed pattern of rows and columns in the shortest darks; None where one dark alone cannot tell."""
        shortest = [seen for seen in self._seen if seen.exposure_s == self.exposures_s[0]]
        if len(shortest) < 2:
            return RowStructure(None, None, None)
        rows, columns = (np.array([getattr(seen, name) for seen in shortest]) for name in ("rows_dn", "columns_dn"))
        pixel_variance = self.read_noise_dn().value ** 2
        row_variance, row_offset = _within_and_between(rows)
        _, column_offset = _within_and_between(columns)
        row_noise = np.sqrt(max(row_variance - pixel_variance / columns.shape[1], 0.0))
        return RowStructure(float(row_noise), row_offset, column_offset)

    def maps(self) -> DarkMaps:
        """Offset, rate and hot pixels. Ends the stack: its sums become the maps."""
        offset, rate, offset_weights, rate_weights = self._fitted()
        variance = {time: self._variance_dn2(time) for time in self.exposures_s}
        of_frames = np.array([variance[seen.exposure_s] for seen in self._seen])
        row_noise = self.row_structure().row_noise or 0.0
        hot = np.zeros(offset.shape, np.bool_)
        limit = HOT_SIGMA * self.read_noise_dn().value
        for plane in PLANES:
            rests = []
            for map_, weights in ((offset, offset_weights), (rate, rate_weights)):
                noise_variance = float(np.sum(weights**2 * of_frames))
                row_variance = float(np.sum(weights**2)) * row_noise**2
                rests.append(_structure_apart(map_[plane], noise_variance, row_variance))
            hot[plane] = np.abs(rests[0] + np.float32(self.exposures_s[-1]) * rests[1]) > limit
            for map_, weights, rest in zip((offset, rate), (offset_weights, rate_weights), rests, strict=True):
                map_[plane] += _significant(rest, float(np.sum(weights**2 * of_frames)))
        return DarkMaps(_as_float16(offset), _as_float16(rate), hot)

    def _fitted(self) -> tuple[Floats, Floats, NDArray[np.float64], NDArray[np.float64]]:
        """Offset and rate of each photosite by least squares, and the weight that each dark has in them."""
        if self._sum is None or self._sum_by_time is None:
            raise CalibrationError("there is no dark: shoot some with `sidcap shoot-darks`")
        total, by_time, self._sum, self._sum_by_time, self._before = self._sum, self._sum_by_time, None, None, None
        times = np.array([seen.exposure_s for seen in self._seen])
        count = len(times)
        if len(self.exposures_s) == 1:
            total /= np.float32(count)
            by_time[:] = 0
            return total, by_time, np.full(count, 1 / count), np.zeros(count)
        t, tt = times.sum(), (times**2).sum()
        determinant = count * tt - t**2
        offset = total * np.float32(tt / determinant)
        offset -= by_time * np.float32(t / determinant)
        by_time *= np.float32(count / determinant)
        total *= np.float32(t / determinant)
        by_time -= total
        return offset, by_time, (tt - t * times) / determinant, (count * times - t) / determinant

    def _variance_dn2(self, exposure_s: float) -> float:
        """Temporal variance of a photosite in one dark of that length; of the next longer ones where it has no pair."""
        longer = [time for time in sorted(self._levels) if time >= exposure_s] or [max(self._levels, default=0.0)]
        pairs = self._levels.get(longer[0]) or self._shortest_pairs()
        return float(np.mean([levels.mean_variance_dn2() for pair in pairs for levels in pair]))

    def masked_growth_dn_per_s(self) -> Measured | None:
        """What the masked photosites see of the dark current; None where all darks are of one length."""
        return self._at_zero([float(seen.masked_dn.mean()) for seen in self._seen])[1]

    def visible_growth_dn_per_s(self) -> Measured | None:
        """How fast the mean of all visible photosites grows; None where all darks are of one length."""
        return self._at_zero([float(seen.visible_dn.mean()) for seen in self._seen])[1]


def glow_dn_per_s(maps: DarkMaps) -> float:
    """How much faster the brightest part of an edge grows than half of the photosites; hot pixels left out."""
    rate, ordinary = maps.rate_dn_per_s.astype(np.float32), ~maps.hot
    height, width = rate.shape
    depth = max(round(_GLOW_DEPTH * width), 2)
    strips = [np.s_[:depth, :], np.s_[height - depth :, :], np.s_[:, :depth], np.s_[:, width - depth :]]
    parts = []
    for strip in strips:
        along = int(rate[strip].shape[1] < rate[strip].shape[0])
        for values, counted in zip(
            np.array_split(rate[strip], _GLOW_PARTS, axis=1 - along),
            np.array_split(ordinary[strip], _GLOW_PARTS, axis=1 - along),
            strict=True,
        ):
            parts.append(float(values[counted].mean(dtype=np.float64)))
    return max(parts) - median_rate_dn_per_s(maps)


def median_rate_dn_per_s(maps: DarkMaps) -> float:
    """Of half of the photosites, above what the masked ones see; hot pixels left out.

    It is the median over large blocks: that of single photosites would be pulled up, by noise, towards the glow.
    """
    side = _MEDIAN_BLOCK_PX
    rows, columns = (length // side * side for length in maps.shape_px)
    shape = (rows // side, side, columns // side, side)
    ordinary = ~maps.hot[:rows, :columns]
    rate = np.where(ordinary, maps.rate_dn_per_s[:rows, :columns], 0).astype(np.float32)
    sums = rate.reshape(shape).sum(axis=(1, 3), dtype=np.float64)
    return float(np.median(sums / ordinary.reshape(shape).sum(axis=(1, 3))))


def _clipped(signal: Floats) -> Floats:
    """Hot pixels pulled in, so that means are those of ordinary photosites."""
    sample = signal[::7, ::7]
    middle = float(np.median(sample))
    reach = _CLIP_SIGMA * max(1.4826 * float(np.median(np.abs(sample - middle))), 1.0)
    return np.clip(signal, middle - reach, middle + reach)


def _within_and_between(profiles: NDArray[np.float64]) -> tuple[float, float]:
    """Of (frames, n) profiles: variance from frame to frame, and standard deviation of what stays the same."""
    centred = profiles - profiles.mean(axis=1, keepdims=True)
    within = float(centred.var(axis=0, ddof=1).mean())
    between = float(centred.mean(axis=0).var()) - within / len(profiles)
    return within, float(np.sqrt(max(between, 0.0)))


def _structure_apart(plane: Floats, noise_variance: float, row_variance: float) -> Floats:
    """Leave in ``plane`` its shading, columns and rows, in place; gives the rest of each photosite.

    ``noise_variance`` is that of the plane's values, ``row_variance`` what each row has in common of it besides.
    """
    values = np.ascontiguousarray(plane)
    rows, columns = values.shape
    reach = np.float32(_CLIP_SIGMA * np.sqrt(noise_variance) + 1e-6)
    structure = _shading(values, reach)
    rest = values - structure
    column_profile = _shrunk(np.clip(rest, -reach, reach).mean(axis=0, dtype=np.float64), noise_variance / rows)
    rest -= column_profile
    row_profile = _shrunk(
        np.clip(rest, -reach, reach).mean(axis=1, dtype=np.float64), noise_variance / columns + row_variance
    )
    rest -= row_profile[:, None]
    structure += column_profile
    structure += row_profile[:, None]
    plane[:] = structure
    return rest


def _shading(values: Floats, reach: np.float32) -> Floats:
    """What varies slowly: means of blocks, hot pixels clipped, joined by straight lines that go on beyond the edges."""
    side = _SHADING_BLOCK_PX
    rows, columns = values.shape
    filled = np.pad(values, ((0, -rows % side), (0, -columns % side)), mode="edge")
    blocks = filled.reshape(filled.shape[0] // side, side, filled.shape[1] // side, side)
    middle = np.median(blocks, axis=(1, 3), keepdims=True)
    means = np.clip(blocks, middle - reach, middle + reach).mean(axis=(1, 3), dtype=np.float64).astype(np.float32)
    if min(means.shape) < 2:
        return np.full_like(values, means.mean())
    beyond = np.pad(means, 1, mode="reflect", reflect_type="odd")
    size = (beyond.shape[1] * side, beyond.shape[0] * side)
    smooth = cv2.resize(beyond, size, interpolation=cv2.INTER_LINEAR)
    return np.array(smooth[side : side + rows, side : side + columns], np.float32)


def _shrunk(profile: NDArray[np.float64], noise_variance: float) -> Floats:
    """The share of a profile that is pattern and not noise."""
    variance = float(profile.var())
    share = max(0.0, 1 - noise_variance / variance) if variance > 0 else 0.0
    return (share * profile).astype(np.float32)


def _significant(rest: Floats, noise_variance: float) -> Floats:
    """Of what each photosite has of its own: all where it stands out, else the share that is pattern and not noise."""
    variance = float((1.4826 * np.median(np.abs(rest))) ** 2)
    share = max(0.0, 1 - noise_variance / variance) if variance > 0 else 0.0
    certain = np.abs(rest) > _CERTAIN_SIGMA * np.sqrt(max(variance, noise_variance))
    return np.where(certain, rest, np.float32(share) * rest)


def _as_float16(map_: Floats) -> NDArray[np.float16]:
    return np.clip(map_, -_LARGEST_FLOAT16, _LARGEST_FLOAT16).astype(np.float16)
