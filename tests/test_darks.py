"""Dark frames: planned, shot on the simulated camera with its cap on, refused where light falls in, resumed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import MOMENT
from test_exposure import EOS_6D_ISO, EOS_6D_SHUTTER
from typer.testing import CliRunner, Result

from sidcap.capture import Clock, Tether
from sidcap.capture.darks import DarkPlan, Darkroom, flat_exposures_s, plan_darks
from sidcap.capture.exposure import Shutter
from sidcap.capture.journal import Journal
from sidcap.capture.metering import LongChoice
from sidcap.capture.simulated import Fault, SimulatedCamera
from sidcap.cli import app
from sidcap.data_manifest.calibration_frames import light_on
from sidcap.data_manifest.errors import CameraError, RawError, UsageError
from sidcap.data_manifest.raw import Exif, RawFrame, read_raw
from sidcap.data_manifest.schema import BlackLevel, CalibrationFrame, CameraBody, DarkFrame, Exposure, Iso, WhiteLevel
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.validate import validate

TIME_SCALE = 20.0
DARKS = "calibration/darks"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # libgphoto2 keeps settings there


@pytest.fixture
def capped() -> Iterator[SimulatedCamera]:
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, scene="capped") as camera:
        yield camera


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "set")


def plan(isos: tuple[int, ...] = (12600,), exposures_s: tuple[float, ...] = (2, 0.1), repeats: int = 1) -> DarkPlan:
    return plan_darks(
        isos=isos, exposures_s=exposures_s, repeats=repeats, iso_labels=EOS_6D_ISO, shutter_labels=EOS_6D_SHUTTER
    )


def no_light(text: str) -> None:
    raise AssertionError(text)


def shoot(
    camera: SimulatedCamera,
    store: Store,
    wanted: DarkPlan,
    light_fell: Callable[[str], None] = no_light,
    took: Callable[[CalibrationFrame], None] = lambda _: None,
) -> list[str]:
    """Gives what was lost on the way."""
    lost: list[str] = []
    tether = Tether(camera.port_string, Journal(store.journal_path), patience_s=20)
    tether.connect()
    try:
        Darkroom(tether, store, Clock(TIME_SCALE), light_fell, took, lost.append).shoot(wanted)
    finally:
        assert tether.close() == []
    return lost


def paths(store: Store) -> list[str]:
    return [dark.path for dark in store.calibration().darks]


def test_darks_are_stored_named_and_recorded(capped: SimulatedCamera, store: Store) -> None:
    shoot(capped, store, plan(isos=(12600, 200), repeats=2))
    assert paths(store) == [
        f"{DARKS}/{name}_{number:02d}.CR2"
        for name in ("ISO12800_2s", "ISO200_2s", "ISO12800_0.1s", "ISO200_0.1s")
        for number in (0, 1)
    ]
    dark = store.calibration().darks[0]
    assert dark.iso.model_dump() == {"requested": 12600, "set": 12800, "exif": 12800}
    assert (dark.exposure.nominal_s, dark.exposure.true_s, dark.exposure.exif_s) == (2, 2, 2)
    assert dark.camera in store.dataset().cameras
    assert dark.camera.simulated
    assert dark.mean_dn == pytest.approx(dark.black.per_plane_dn, abs=20)
    assert validate(store).sound
    assert len(capped.shots) == 8


def test_what_is_there_is_not_shot_again(capped: SimulatedCamera, store: Store) -> None:
    shoot(capped, store, plan())
    shoot(capped, store, plan(repeats=2))
    assert len(capped.shots) == 4
    assert len(paths(store)) == 4


def test_a_frame_with_light_is_refused_and_shot_again(capped: SimulatedCamera, store: Store) -> None:
    capped.scene = 1
    told: list[str] = []

    def put_cap_on(text: str) -> None:
        told.append(text)
        capped.scene = "capped"

    shoot(capped, store, plan(), put_cap_on)
    assert len(told) == 1
    assert "IMG_0001.CR2 is no dark: light fell on it" in told[0]
    assert paths(store) == [f"{DARKS}/ISO12800_2s_00.CR2", f"{DARKS}/ISO12800_0.1s_00.CR2"]
    assert len(list((store.root / DARKS).iterdir())) == 2
    refused = [event for event in Journal(store.journal_path).events() if event["event"] == "dark refused"]
    assert refused[0]["card"].endswith("IMG_0001.CR2")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("cable-pulled=0.5@exposure:2", True),
        ("event-lost@ObjectAddedEx:2", True),
        ("transfer-empty@GetPartialObject:2", False),
    ],
)
def test_a_fault_loses_and_doubles_nothing(capped: SimulatedCamera, store: Store, fault: str, told: bool) -> None:
    capped.inject(Fault.parse(fault))
    lost = shoot(capped, store, plan(exposures_s=(2, 1, 0.1)))
    assert bool(lost) == told
    assert len(paths(store)) == 3
    assert len(capped.shots) == 3
    assert validate(store).sound


def test_a_wrong_exposure_is_shot_again(capped: SimulatedCamera, store: Store) -> None:
    capped.inject(Fault.parse("exif-wrong@exposure:1"))
    lost = shoot(capped, store, plan())
    assert "its EXIF says 4 s, but 2 s was set" in lost[0]
    assert len(paths(store)) == 2


def test_a_camera_that_exposes_wrongly_for_good_is_given_up(capped: SimulatedCamera, store: Store) -> None:
    for count in (1, 2, 3):
        capped.inject(Fault.parse(f"exif-wrong@exposure:{count}"))
    with pytest.raises(RawError, match="3 darks in a row are no good"):
        shoot(capped, store, plan())


def test_a_later_run_finds_on_the_card_what_an_interrupted_one_exposed(capped: SimulatedCamera, store: Store) -> None:
    capped.inject(Fault.parse("cable-pulled@exposure:2"))
    tether = Tether(capped.port_string, Journal(store.journal_path), patience_s=0.5)
    tether.connect()
    with pytest.raises(CameraError):
        Darkroom(tether, store, Clock(TIME_SCALE), no_light).shoot(plan())
    tether.drop()
    assert len(paths(store)) == 1
    capped.plug_in()
    shoot(capped, store, plan())
    assert len(paths(store)) == 2
    assert len(capped.shots) == 2


def test_a_flat_in_the_dark_is_refused_and_shot_again(capped: SimulatedCamera, store: Store) -> None:
    told: list[str] = []

    def take_cap_off(text: str) -> None:
        told.append(text)
        capped.scene = "flat"

    tether = Tether(capped.port_string, Journal(store.journal_path), patience_s=20)
    tether.connect()
    try:
        Darkroom(tether, store, Clock(TIME_SCALE), take_cap_off, kind="flat").shoot(plan(exposures_s=(8, 2)))
    finally:
        assert tether.close() == []
    assert len(told) == 1
    assert "IMG_0001.CR2 is no flat: it is dark, 0.0% of white; take the cap off" in told[0]
    calibration = store.calibration()
    assert [flat.path for flat in calibration.flats] == [
        "calibration/flats/ISO12800_8s_00.CR2", "calibration/flats/ISO12800_2s_00.CR2",
    ]  # fmt: skip
    assert calibration.flats[0].aperture == 2.8
    assert calibration.darks == ()
    assert validate(store).sound


def metered(level: float, seconds: float) -> LongChoice:
    return LongChoice(Shutter("x", seconds, seconds), level, "green", "too bright even at x: close the aperture", ())


def test_flats_run_from_a_thirtieth_of_white_to_overexposed() -> None:
    exposures_s = flat_exposures_s(metered(0.8, 1.0), EOS_6D_SHUTTER)
    assert exposures_s == sorted(exposures_s)
    assert exposures_s[0] == pytest.approx(0.033 / 0.8, rel=0.15)
    assert exposures_s[-1] == pytest.approx(4 / 0.8, rel=0.15)
    assert len(exposures_s) == 7


@pytest.mark.parametrize(
    ("level", "seconds", "words"),
    [(1.0, 1 / 4000, "the light is too bright"), (0.02, 30.0, "cannot time flats"), (0.8, 1 / 4000, "cannot time")],
)
def test_light_that_no_shutter_suits_is_refused(level: float, seconds: float, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        flat_exposures_s(metered(level, seconds), EOS_6D_SHUTTER)


def blank(light_dn: float, noise_dn: float, seed: int) -> RawFrame:
    rng = np.random.default_rng(seed)
    mosaic = np.rint(rng.normal(2048 + light_dn, noise_dn, (256, 384))).clip(0, 16383).astype(np.uint16)
    return RawFrame(
        mosaic,
        np.array([[0, 1], [3, 2]], np.uint8),
        BlackLevel(per_plane_dn=(2048, 2048, 2048, 2048), source="masked pixels"),
        WhiteLevel(dn=15283, source="test"),
        (1.0, 1.0, 1.0),
        Exif(),
    )


@given(st.floats(0, 5000), st.floats(0, 100), st.integers(0, 100))
def test_light_is_measured_through_noise(light_dn: float, noise_dn: float, seed: int) -> None:
    assert light_on(blank(light_dn, noise_dn, seed)) * 13235 == pytest.approx(light_dn, abs=0.6 + noise_dn / 10)


def test_hot_pixels_and_a_glowing_edge_are_no_light() -> None:
    frame = blank(0, 30, seed=1)
    frame.mosaic[::37, ::41] = 16383
    frame.mosaic[:, :60] += 500
    assert light_on(frame) < 1e-3


def dark(iso: int, nominal_s: float, serial: str = "1") -> DarkFrame:
    return DarkFrame(
        path=f"{DARKS}/x.CR2",
        size_bytes=1,
        sha256="0" * 64,
        camera=CameraBody(model="Canon EOS 6D", serial=serial),
        iso=Iso(requested=iso, set=iso),
        exposure=Exposure(requested_s=nominal_s, nominal_s=nominal_s, true_s=nominal_s),
        start_utc=MOMENT,
        black=BlackLevel(per_plane_dn=(2048, 2048, 2048, 2048), source="masked pixels"),
        mean_dn=(2048, 2048, 2048, 2048),
    )


def test_only_darks_of_the_same_body_and_setting_count() -> None:
    wanted = plan(isos=(200,), exposures_s=(2,), repeats=3)
    there = [dark(200, 2), dark(200, 2, serial="2"), dark(400, 2), dark(200, 1)]
    assert len(wanted.missing(there, "1")) == 2
    assert len(wanted.missing([dark(200, 2)] * 5, "1")) == 0


def test_the_longest_come_first_and_doubles_once() -> None:
    wanted = plan(isos=(200, 12600, 12800), exposures_s=(0.033, 10, 0.0333))
    assert [str(setting) for setting in wanted.settings] == [
        "ISO 12800, 10 s", "ISO 200, 10 s", "ISO 12800, 0.033 s", "ISO 200, 0.033 s",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"isos": (0,)}, "ISO 0 is not offered"),
        ({"exposures_s": (60,)}, "1/4000 to 30 s, not 60 s"),
        ({"exposures_s": (float("nan"),)}, "not nan s"),
        ({"exposures_s": (-1,)}, "not -1 s"),
        ({"repeats": 0}, "out of range"),
        ({"repeats": 10**9}, "out of range"),
        ({"isos": ()}, "an ISO and an exposure are needed"),
    ],
)
def test_what_cannot_be_shot_is_refused(request_: dict[str, tuple[int, ...]], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plan(**request_)  # type: ignore[arg-type]


def run(*arguments: str | Path, typed: str | None = None) -> Result:
    common = ("shoot-darks", "--camera", "simulated", "--sensor", "small", "--time-scale", "20", "--repeats", "1")
    return CliRunner().invoke(app, [str(argument) for argument in (*common, *arguments)], input=typed)


def test_the_command_asks_for_the_cap_and_shoots(tmp_path: Path) -> None:
    options = ("--iso", "12800", "--exposures", "1,0.1", "--dataset", tmp_path / "set")
    result = run(*options, "--json", typed="\n")
    assert result.exit_code == 0, result.stderr
    assert "put the cap on" in result.stderr
    document = json.loads(result.stdout)
    assert document["missing"] == 0
    assert [Path(one["path"]).name for one in document["darks"]] == ["ISO12800_1s_00.CR2", "ISO12800_0.1s_00.CR2"]
    assert read_raw(tmp_path / "set" / document["darks"][0]["path"]).exif.exposure_s == 1
    assert "all of them are there already" in run(*options).stderr


def test_nobody_to_press_enter_is_one_line(tmp_path: Path) -> None:
    result = run("--iso", "200", "--exposures", "1", "--dataset", tmp_path / "set", typed="")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("error: nobody pressed Enter")
    assert not (tmp_path / "set").exists()


def test_with_nobody_there_light_ends_it_at_once_and_it_says_how_to_go_on(tmp_path: Path) -> None:
    with SimulatedCamera(size="small", time_scale=20, scene=1) as uncapped:
        options = ("--iso", "12800", "--exposures", "1", "--repeats", "2", "--dataset", str(tmp_path / "set"))
        camera = ("--camera", uncapped.port_string, "--time-scale", "20", "--yes")
        result = CliRunner().invoke(app, ["shoot-darks", *options, *camera])
        assert len(uncapped.shots) == 1
    assert result.exit_code == 1
    *_, note, error = result.stderr.splitlines()
    assert note == "note: 2 frames to go: the same command goes on where it was"
    assert "put the cap on" in error


def test_a_dry_run_touches_nothing(tmp_path: Path) -> None:
    result = run("--iso", "200", "--exposures", "1", "--dataset", tmp_path / "set", "--dry-run", "--json")
    assert json.loads(result.stdout)["missing"] == 1
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--iso", "a", "--exposures", "1"), "--iso 'a' is not a list"),
        (("--iso", "nan", "--exposures", "1"), "--iso 'nan' is not a list"),
        (("--iso", "200", "--exposures", ""), "--exposures '' is not a list"),
    ],
)
def test_wrong_usage_is_one_line(arguments: tuple[str, ...], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert words in result.stderr
