"""Datasets with something of everything for reports, and what a browser finds in a report."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import records
import textured_datasets
import tiny_raw
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from sidcap.cli import app
from sidcap.data_manifest.schema import (
    Alignment,
    BlackLevel,
    CameraBody,
    DarkFrame,
    Exposure,
    FlatFrame,
    Frame,
    Iso,
    Measured,
    Pair,
    Ratio,
    Scene,
    SensorRecord,
)
from sidcap.data_manifest.sensor import DarkMaps
from sidcap.data_manifest.store import Store, sha256_of
from sidcap.data_manifest.words import Split, Verdict

BODY = CameraBody(model="Canon EOS 6D", serial="1")
_REASONS = {
    Verdict.ALIGNED: "the short lies 0.03 px to the left of the long (uncertainty 0.024 px)",
    Verdict.MISALIGNED: "the short lies 3.1 px below the long: something moved between the frames",
    Verdict.UNDETERMINED: "the short is too dark to tell its place: uncertainty 0.31 px",
}


def report(*arguments: str | Path) -> Result:
    """``sidcap report`` as a person types it."""
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


@dataclass(frozen=True)
class Page:
    """A report that was written."""

    path: Path
    html: str

    @property
    def text(self) -> str:
        """What a reader sees: the text without tags, styles and scripts, with single spaces."""
        reader = _Text()
        reader.feed(self.html)
        return " ".join(" ".join(reader.words).split())

    def section(self, anchor: str) -> str:
        """The text of one section."""
        found = re.search(rf'<section id="{anchor}".*?</section>', self.html, re.DOTALL)
        assert found is not None, anchor
        return Page(self.path, found[0]).text


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.hidden = False

    def handle_starttag(self, tag: str, _attributes: Any) -> None:
        self.hidden = tag in ("style", "script")

    def handle_endtag(self, _tag: str) -> None:
        self.hidden = False

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.words.append(data)


def written(path: Path) -> Page:
    """The report at ``path``."""
    return Page(path, path.read_text("utf-8"))


def alignment(verdict: Verdict, seed: int, shift_px: float = 0.1) -> Alignment:
    """What registration might have said of a pair."""
    rng = np.random.default_rng(seed)
    dx, dy = (float(value) for value in rng.normal(0, shift_px, 2))
    return Alignment(
        verdict=verdict,
        reasons=(_REASONS[verdict],),
        shift_px=(dx, dy),
        covariance_px2=((0.0009, 0.0), (0.0, 0.0016)),
        chi2=1.0,
        light=1.0 + float(rng.normal(0, 0.001)),
        light_sigma=0.001,
        tolerance_px=0.5,
        noise_source="published for the EOS 6D",
        method="test registration",
        measured_utc=records.MOMENT,
        registration={"signal_e": float(rng.uniform(0.2, 2))},
    )


def bracket(scene_id: int, verdicts: tuple[Verdict, ...] = (Verdict.ALIGNED,) * 3, **changes: Any) -> Scene:
    """A scene of records alone: a long, a short for each verdict, a closing long, all verified."""
    name = f"{scene_id:05d}"
    times = ((100, 0.1, 0.0992126), (250, 0.04, 0.0393725), (300, 0.0333, 0.03125))
    long, closing = (_frame(f"long/{name}_{index:02d}_10s.CR2", 10.0, 10.0793684) for index in (0, 1))
    frames, pairs = [long], []
    for index, ((nominal, dial_s, true_s), verdict) in enumerate(zip(times, verdicts, strict=False)):
        short = _frame(f"short/{name}_00_{dial_s:g}s.CR2", dial_s, true_s)
        true = long.exposure.true_s / true_s
        ratio = Ratio(nominal=nominal, true=true, measured=true * 1.002, measured_sigma=0.01 * true)
        found = alignment(verdict, 10 * scene_id + index)
        pairs.append(Pair(frame=short.path, reference=long.path, ratio=ratio, alignment=found))
        frames.append(short)
    last = Pair(
        frame=closing.path,
        reference=long.path,
        ratio=Ratio(nominal=1, true=1),
        alignment=alignment(Verdict.ALIGNED, scene_id, 0.002),
    )
    fields: dict[str, Any] = {
        "id": scene_id,
        "split": (Split.TRAIN, Split.TEST, Split.VAL)[scene_id // 10000],
        "complete": True,
        "frames": (*frames, closing),
        "pairs": tuple(pairs),
        "closing": last,
    }
    return Scene(**(fields | changes))


def _frame(path: str, nominal_s: float, true_s: float) -> Frame:
    return records.frame(
        path,
        lens="EF40mm f/2.8 STM",
        aperture=2.8,
        exposure=Exposure(requested_s=nominal_s, nominal_s=nominal_s, true_s=true_s, exif_s=nominal_s),
    )


def real_frames(root: Path) -> Store:
    """Two scenes of real, small raw files, verified on paper: an aligned pair and an undetermined one each."""
    store = textured_datasets.make_dataset(root, (1, 10001))
    for scene_id in (1, 10001):
        store.change_scene(scene_id, _verified)
    return store


def _verified(scene: Scene) -> Scene:
    verdicts = iter((Verdict.ALIGNED, Verdict.UNDETERMINED, Verdict.ALIGNED))
    return scene.with_pairs(lambda pair: pair.replace(alignment=alignment(next(verdicts), scene.id)))


def calibrate(store: Store, iso: int = textured_datasets.ISO, *, hot: int = 40) -> SensorRecord:
    """Darks, flats, what follows from them, and maps with ``hot`` hot pixels, in a dataset."""
    height, width = textured_datasets.SHAPE
    rng = np.random.default_rng(iso)
    maps = DarkMaps(
        offset_dn=rng.normal(0, 1, (height, width)).astype(np.float16),
        rate_dn_per_s=rng.normal(0.1, 0.02, (height, width)).astype(np.float16),
        hot=np.zeros((height, width), np.bool_),
    )
    maps.hot.flat[rng.choice(height * width, hot, replace=False)] = True
    for index, light_e in enumerate((20.0, 20.0, 100.0, 100.0, 400.0, 400.0)):
        _add(store, FlatFrame, f"flats/ISO{iso}_{index:02d}.DNG", light_e * np.ones((height, width)), 0.01 * light_e)
    for index, exposure_s in enumerate((0.1, 0.1, 10.0)):
        _add(store, DarkFrame, f"darks/ISO{iso}_{index:02d}.DNG", np.full((height, width), 0.01), exposure_s)
    return store.save_sensor(
        SensorRecord(
            camera=BODY,
            iso=iso,
            measured_utc=records.MOMENT,
            method="test calibration",
            frames=tuple(sorted(frame.sha256 for frame in store.calibration().frames)),
            dark_exposures_s=(0.1, 10.0),
            gain_e_per_dn=Measured(value=textured_datasets.GAIN_E_PER_DN, sigma=0.0001),
            gain_source="photon transfer",
            read_noise_dn=Measured(value=textured_datasets.READ_NOISE_E / textured_datasets.GAIN_E_PER_DN, sigma=0.1),
            read_noise_e=Measured(value=textured_datasets.READ_NOISE_E, sigma=0.01),
            read_noise_source="darks",
            dark_current_e_per_s=Measured(value=0.13, sigma=0.02),
            hot_pixels=hot,
        ),
        maps,
    )


def _add(store: Store, kind: type[Any], name: str, electrons: NDArray[Any], exposure_s: float) -> None:
    path = f"calibration/{name}"
    content = textured_datasets.raw(electrons, seed=len(store.calibration().frames))
    (store.root / path).parent.mkdir(parents=True, exist_ok=True)
    (store.root / path).write_bytes(content)
    level = tiny_raw.BLACK_DN + float(electrons.mean()) / textured_datasets.GAIN_E_PER_DN
    frame = kind(
        path=path,
        size_bytes=len(content),
        sha256=sha256_of(store.root / path),
        camera=BODY,
        iso=Iso(requested=textured_datasets.ISO, set=textured_datasets.ISO),
        exposure=Exposure(requested_s=exposure_s, nominal_s=exposure_s, true_s=exposure_s),
        start_utc=records.MOMENT,
        black=BlackLevel(per_plane_dn=(tiny_raw.BLACK_DN,) * 4, source="file"),
        mean_dn=(level,) * 4,
    )
    store.change_calibration(lambda calibration: calibration.with_frame(frame))
