"""What differs between bodies: the real libgphoto2 on the simulated EOS 6D; for other makes, their settings alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sidcap.capture import Camera, Check, Clock, body_of
from sidcap.capture.bodies import Body
from sidcap.capture.bodies.canon_eos import CanonEos
from sidcap.capture.bodies.generic import GenericBody
from sidcap.capture.bodies.nikon import Nikon
from sidcap.capture.bodies.sony import Sony
from sidcap.capture.simulated import SimulatedCamera
from sidcap.data_manifest.errors import CameraError, SettingError
from sidcap.data_manifest.words import Release

TIME_SCALE = 20.0
PATIENCE_S = 20.0
WITH_LOCKUP = "20,1,3,14,1,60f,1,0,"
CHANGES = ("EOS_SetDevicePropValueEx", "EOS_RemoteReleaseOn")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # libgphoto2 keeps settings there


@pytest.fixture(scope="module")
def shared() -> Iterator[SimulatedCamera]:
    with SimulatedCamera(size="small", time_scale=TIME_SCALE) as simulated:
        yield simulated


@pytest.fixture
def simulated(shared: SimulatedCamera) -> SimulatedCamera:
    """On M, with lockup off."""
    shared.mode_dial = "M"
    shared.set_by_hand(mirrorlock="0")
    return shared


@pytest.fixture
def camera(simulated: SimulatedCamera) -> Iterator[Camera]:
    with Camera(simulated.port_string) as camera:
        yield camera


@pytest.fixture
def body(camera: Camera) -> Body:
    body = body_of(camera)
    body.configure(1600, camera.set)
    return body


def state_of(checks: tuple[Check, ...], name: str) -> Check:
    (check,) = (check for check in checks if check.name == name)
    return check


def is_up(camera: Camera) -> bool:
    return camera.get("mirrordownstatus") == "1"


def wait_for_mirror(camera: Camera) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_up(camera):
        assert time.monotonic() < deadline_s, "the mirror never went up"
        time.sleep(0.01)


# What is known of the camera.


def test_the_body_says_who_it_is(body: Body) -> None:
    assert isinstance(body, CanonEos)
    assert (body.model, body.lens, body.battery_percent) == ("Canon EOS 6D", "EF40mm f/2.8 STM", 100)
    assert body.serial
    assert body.firmware
    assert body.free_shots is not None
    assert body.free_shots > 100


def test_looking_changes_nothing(simulated: SimulatedCamera) -> None:
    with Camera(simulated.port_string) as camera:
        body = body_of(camera)
        camera.get("iso")  # opens the session, in which libgphoto2 chooses where frames go
        before = len(simulated.operations)
        checks = body.checks()
        body.settings()
        asked = [operation.name for operation in simulated.operations[before:]]
    assert not set(asked) & set(CHANGES)
    assert {check.state for check in checks} == {"ok", "warning"}


@pytest.mark.parametrize(
    ("by_hand", "name", "state", "words"),
    [
        ({"focusmode": "One Shot"}, "focus", "problem", "switch the lens to MF"),
        ({"drivemode": "Continuous"}, "drive mode", "problem", "single shooting"),
        ({"imageformat": "L"}, "raw", "ok", "L; a bracket sets RAW"),
        ({}, "auto power-off", "warning", "disable it in the camera's menu"),
        ({}, "mirror", "ok", "lockup by a setting"),
    ],
)
def test_every_check_names_its_remedy(by_hand: dict[str, str], name: str, state: str, words: str) -> None:
    with SimulatedCamera(size="small", settings=by_hand) as simulated, Camera(simulated.port_string) as camera:
        check = state_of(body_of(camera).checks(), name)
    assert check.state == state
    assert words in str(check)
    assert "\n" not in str(check)


def test_noise_reduction_by_several_frames_is_seen(camera: Camera) -> None:
    camera.set("highisonr", "Multi-Shot")
    try:
        check = state_of(body_of(camera).checks(), "high-ISO noise reduction")
    finally:
        camera.set("highisonr", "Off")
    assert check.state == "warning"
    assert "not for raw files" in check.remedy


def test_a_full_card_an_empty_battery_and_a_dial_on_b_are_seen() -> None:
    with (
        SimulatedCamera(size="small", battery=0.1, card_free_bytes=1_000_000, mode_dial="B") as simulated,
        Camera(simulated.port_string) as camera,
    ):
        checks = body_of(camera).checks()
    assert state_of(checks, "card") == Check("card", "problem", "full", "put in a memory card with room")
    assert state_of(checks, "battery").state == "warning"
    assert state_of(checks, "mode dial").state == "warning"


def test_the_clock_is_compared_and_set() -> None:
    with SimulatedCamera(size="small") as simulated:
        with Camera(simulated.port_string) as camera:
            camera.send("datetimeutc", str(int(time.time()) - 90))
        with Camera(simulated.port_string) as camera:
            body = body_of(camera)
            assert body.clock_offset_s() == pytest.approx(-90, abs=3)
            assert state_of(body.checks(), "clock").found.endswith(" s behind this computer's")
            body.set_clock()
            assert body.clock_offset_s() == pytest.approx(0, abs=3)
        with Camera(simulated.port_string) as camera:
            assert body_of(camera).clock_offset_s() == pytest.approx(0, abs=3)


# Settings.


def test_configuring_goes_through_keep(camera: Camera) -> None:
    kept: dict[str, str] = {}

    def keep(name: str, value: str) -> None:
        kept.setdefault(name, camera.get(name))
        camera.set(name, value)

    before = camera.get("iso")
    body = body_of(camera)
    body.configure(800, keep)
    body.set_shutter("1/30", keep)
    assert kept["iso"] == before
    assert kept.keys() == {"capturetarget", "imageformat", "iso", "shutterspeed"}
    assert (camera.get("iso"), camera.get("imageformat"), camera.get("shutterspeed")) == ("800", "RAW", "1/30")


def test_bulb_needs_the_dial_on_b(body: Body, camera: Camera) -> None:
    assert body.bulb_label is None
    with pytest.raises(SettingError, match="turn its mode dial to B"):
        body.set_shutter("bulb", camera.set)


# The mirror.


@pytest.mark.parametrize("before", ["0", "1"])
@pytest.mark.parametrize("release", list(Release))
def test_every_release_exposes_once_and_leaves_the_mirror_as_it_was(
    body: Body, camera: Camera, simulated: SimulatedCamera, release: Release, before: str
) -> None:
    camera.set("mirrorlock", before)
    body.set_shutter("1/30", camera.set)
    exposed = len(simulated.shots)
    with body.released_by(release, camera.set):
        body.expose(1 / 30, release, 1.0, Clock(TIME_SCALE))
        assert camera.wait_for_file(PATIENCE_S) is not None
    assert len(simulated.shots) == exposed + 1
    assert camera.get("mirrorlock") == before
    assert not is_up(camera)
    assert camera.wait_for_file(0.2) is None


@pytest.mark.parametrize("before", ["0", "1"])
def test_interrupted_between_two_presses_the_mirror_comes_down_and_nothing_is_exposed(
    body: Body, camera: Camera, simulated: SimulatedCamera, before: str
) -> None:
    camera.set("mirrorlock", before)
    exposed = len(simulated.shots)
    with pytest.raises(KeyboardInterrupt), body.released_by(Release.MIRROR_LOCKUP, camera.set):  # noqa: PT012
        camera.press()
        wait_for_mirror(camera)
        raise KeyboardInterrupt
    assert camera.get("mirrorlock") == before
    assert not is_up(camera)
    assert len(simulated.shots) == exposed


def test_interrupted_during_an_exposure_lockup_is_put_back(body: Body, camera: Camera) -> None:
    body.set_shutter("30", camera.set)
    with pytest.raises(KeyboardInterrupt), body.released_by(Release.MIRROR_LOCKUP, camera.set):  # noqa: PT012
        body.expose(30, Release.MIRROR_LOCKUP, 1.0, Clock(TIME_SCALE))
        raise KeyboardInterrupt
    assert camera.get("mirrorlock") == "0"
    assert camera.wait_for_file(PATIENCE_S) is not None


def test_a_new_connection_lowers_a_mirror_that_a_killed_session_left_up(simulated: SimulatedCamera) -> None:
    with Camera(simulated.port_string) as camera:
        camera.set("mirrorlock", "1")
        camera.press()
        wait_for_mirror(camera)
    with Camera(simulated.port_string) as camera:
        assert is_up(camera)
        body_of(camera).lower_mirror()
        assert not is_up(camera)
        camera.set("mirrorlock", "0")


def test_live_view_that_was_left_on_is_ended(camera: Camera) -> None:
    camera.send("viewfinder", "1")
    wait_for_mirror(camera)
    body_of(camera).lower_mirror()
    assert not is_up(camera)
    assert camera.get("output") == "Off"


def test_lowering_a_mirror_that_is_down_does_nothing(camera: Camera, simulated: SimulatedCamera) -> None:
    exposed = len(simulated.shots)
    body_of(camera).lower_mirror()
    assert not is_up(camera)
    assert len(simulated.shots) == exposed


@pytest.mark.parametrize(("release", "mirror_is_locked_up"), [(Release.MIRROR_LOCKUP, True), (Release.PLAIN, False)])
def test_bulb_holds_the_shutter_as_long_as_told(
    simulated: SimulatedCamera, release: Release, mirror_is_locked_up: bool
) -> None:
    simulated.mode_dial = "B"
    with Camera(simulated.port_string) as camera:
        body = body_of(camera)
        body.configure(1600, camera.set)
        assert body.shutter_labels() == ("bulb",)
        assert body.bulb_label == "bulb"
        with pytest.raises(SettingError, match="turn its mode dial to M"):
            body.set_shutter("1/30", camera.set)
        body.set_shutter("bulb", camera.set)
        with body.released_by(release, camera.set):
            body.expose(60.0, release, 5.0, Clock(TIME_SCALE))
            assert camera.wait_for_file(PATIENCE_S) is not None
    shot = simulated.shots[-1]
    assert 60.0 <= shot.shutter_s < 75.0  # the machine may be slow to let go
    assert (shot.mirror_up_s is not None and shot.mirror_up_s >= 5.0) is mirror_is_locked_up


# Custom function 60f: libgphoto2 2.5.34 reads it on no EOS, so the camera's answers stand in for one where it does.


class _CustomFunctions:
    """A connected 6D that has custom functions with lockup among them in place of its own setting."""

    def __init__(self, camera: Camera, functions: str, *, takes: bool = True) -> None:
        self._camera = camera
        self._takes = takes
        self.functions = functions
        self.written: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._camera, name)

    def find(self, name: str) -> str | None:
        own: Mapping[str, str | None] = {"mirrorlock": None, "customfuncex": self.functions}
        return own[name] if name in own else self._camera.find(name)

    def set(self, name: str, value: str) -> None:
        assert name == "customfuncex"
        self.written.append(value)
        if not self._takes:
            raise SettingError(f"the camera kept {name} at {self.functions!r}")
        self.functions = value


def test_lockup_by_custom_function_writes_the_group_and_puts_it_back(camera: Camera) -> None:
    other = _CustomFunctions(camera, WITH_LOCKUP)
    body: Body = CanonEos(other)  # type: ignore[arg-type]
    assert state_of(body.checks(), "mirror").found == "lockup by a custom function"
    with body.released_by(Release.MIRROR_LOCKUP, other.set):
        assert other.functions == "20,1,3,14,1,60f,1,1,"
    assert other.functions == WITH_LOCKUP
    assert len(other.written) == 2


def test_a_custom_function_that_the_camera_does_not_take_is_an_error(camera: Camera) -> None:
    other = _CustomFunctions(camera, WITH_LOCKUP, takes=False)
    body: Body = CanonEos(other)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="the camera kept customfuncex"):
        body.released_by(Release.MIRROR_LOCKUP, other.set).__enter__()


@pytest.mark.parametrize("functions", ["bad length", "20,1,6,14,1,102,1,1,", "20,1,3,14,1,60f,1,7,"])
def test_unreadable_or_unknown_custom_functions_are_never_written(camera: Camera, functions: str) -> None:
    other = _CustomFunctions(camera, functions)
    body: Body = CanonEos(other)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="use --release live-view") as caught:
        body.released_by(Release.MIRROR_LOCKUP, other.set).__enter__()
    assert "\n" not in str(caught.value)
    assert other.written == []


# Other makes: only what libgphoto2's source says of their settings could be tried.


class _Settings:
    """A camera that is nothing but settings, with their choices."""

    opened_at_s = 0.0

    def __init__(self, driver: str = "USB PTP Class Camera", **settings: tuple[str, ...]) -> None:
        """Each setting with its choices, the current one first."""
        self.driver = driver
        self._choices = settings
        self.values = {name: choices[0] for name, choices in settings.items()}
        self.presses = 0

    def find(self, name: str) -> str | None:
        return self.values.get(name)

    def get(self, name: str) -> str:
        return self.values[name]

    def choices(self, name: str) -> tuple[str, ...]:
        return self._choices[name]

    def set(self, name: str, value: str) -> None:
        assert value in self._choices[name]
        self.values[name] = value

    def send(self, name: str, value: str) -> None:
        self.set(name, value)

    def press(self) -> None:
        self.presses += 1

    def free_bytes(self) -> int:
        return 64_000_000_000


def nikon(model: str = "D750", **others: tuple[str, ...]) -> _Settings:
    return _Settings(
        manufacturer=("Nikon Corporation",),
        cameramodel=(model,),
        imagequality=("JPEG Fine", "NEF (Raw)", "NEF+Fine"),
        capturetarget=("Internal RAM", "Memory card"),
        iso=("100", "800", "12800"),
        shutterspeed=("0.0333s", "0.0001s", "0.0001s", "Bulb"),
        shutterspeed2=("1/30", "1/8000", "1/6400", "Bulb"),
        expprogram=("M",),
        focusmode=("Manual",),
        capturemode=("Single Shot", "Mirror Up"),
        longexpnr=("On", "Off"),
        autofocus=("On", "Off"),
        bulb=("0", "1"),
        viewfinder=("0", "1"),
        **others,
    )


def sony() -> _Settings:
    return _Settings(
        manufacturer=("Sony Corporation",),
        cameramodel=("ILCE-7M3",),
        imagequality=("Fine", "RAW", "RAW+JPEG (Fine)"),
        capturetarget=("sdram", "card", "card+sdram"),
        iso=("Auto ISO", "800", "12800"),
        shutterspeed=("1/30", "30", "Bulb"),
        expprogram=("M",),
        focusmode=("Manual",),
        capturemode=("Single Shot",),
    )


def body_for(settings: _Settings) -> Body:
    return body_of(settings)  # type: ignore[arg-type]


def test_a_nikon_is_configured_by_its_own_words() -> None:
    settings = nikon()
    body = body_for(settings)
    assert isinstance(body, Nikon)
    assert body.shutter_labels() == ("1/30", "1/8000", "1/6400", "Bulb")
    body.configure(12800, settings.set)
    body.set_shutter("1/8000", settings.set)
    assert {name: settings.values[name] for name in ("imagequality", "capturetarget", "iso", "autofocus")} == {
        "imagequality": "NEF (Raw)", "capturetarget": "Memory card", "iso": "12800", "autofocus": "Off",
    }  # fmt: skip
    assert settings.values["shutterspeed2"] == "1/8000"
    states = {check.name: check.state for check in body.checks()}
    assert (states["raw"], states["long-exposure noise reduction"], states["mirror"]) == ("ok", "warning", "warning")


def test_a_nikon_in_live_view_is_released_once_and_leaves_it() -> None:
    settings = nikon()
    body = body_for(settings)
    with body.released_by(Release.LIVE_VIEW, settings.set):
        assert settings.values["viewfinder"] == "1"
        body.expose(1 / 30, Release.LIVE_VIEW, 0.0, Clock())
    assert settings.presses == 1
    assert settings.values["viewfinder"] == "0"


def test_bulb_by_a_switch_is_let_go_when_interrupted() -> None:
    settings = nikon()
    body = body_for(settings)
    body.set_shutter("Bulb", settings.set)

    class Interrupted(Clock):
        def sleep(self, seconds: float) -> None:
            assert seconds == 60.0
            assert settings.values["bulb"] == "1"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        body.expose(60.0, Release.PLAIN, 0.0, Interrupted())
    assert settings.values["bulb"] == "0"


@pytest.mark.parametrize(
    ("choices", "pressed", "let_go"),
    [
        (
            ("None", "Press Half", "Press Full", "Release Half", "Release Full", "Immediate"),
            "Press Full",
            "Release Full",
        ),
        (
            ("None", "Press Full AF", "Press Full MF", "Release Half", "Release Full", "Release"),
            "Press Full MF",
            "Release",
        ),
    ],
    ids=["libgphoto2 2.5.30", "libgphoto2 2.5.34"],
)
def test_the_button_is_held_by_the_words_of_either_libgphoto2(
    choices: tuple[str, ...], pressed: str, let_go: str
) -> None:
    settings = _Settings(cameramodel=("Canon EOS 6D",), shutterspeed=("bulb",), eosremoterelease=choices)
    body = body_for(settings)
    body.set_shutter("bulb", settings.set)
    held: list[str] = []

    class Watching(Clock):
        def sleep(self, seconds: float) -> None:
            assert seconds == 60.0
            held.append(settings.values["eosremoterelease"])

    body.expose(60.0, Release.PLAIN, 0.0, Watching())
    assert held == [pressed]
    assert settings.values["eosremoterelease"] == let_go


@pytest.mark.parametrize("settings", [nikon(), _Settings(cameramodel=("Canon EOS 450D",), viewfinder=("0", "1"))])
def test_an_unknown_lockup_is_refused_and_live_view_offered(settings: _Settings) -> None:
    body = body_for(settings)
    assert body.release_for(Release.MIRROR_LOCKUP) == (Release.MIRROR_LOCKUP, "")
    with pytest.raises(SettingError, match="use --release live-view"):
        body.released_by(Release.MIRROR_LOCKUP, settings.set).__enter__()


@pytest.mark.parametrize(
    "settings",
    [
        nikon("Z 6_2"),
        nikon("Z5"),
        nikon("Z f"),
        sony(),
        *(_Settings(cameramodel=(f"Canon EOS {name}",)) for name in ("R", "RP", "R5", "R6m2", "M50m2", "Kiss M")),
    ],
    ids=lambda settings: settings.values["cameramodel"],
)
def test_without_a_mirror_lockup_becomes_a_plain_release_and_says_so(settings: _Settings) -> None:
    body = body_for(settings)
    release, note = body.release_for(Release.MIRROR_LOCKUP)
    assert release is Release.PLAIN
    assert "no mirror" in note
    assert body.release_for(Release.LIVE_VIEW) == (Release.LIVE_VIEW, "")
    with pytest.raises(SettingError, match="use --release plain"):
        body.released_by(Release.MIRROR_LOCKUP, settings.set).__enter__()


@pytest.mark.parametrize("name", ["Rebel T7i", "6D", "5D Mark IV", "80D", "Kiss X9"])
def test_a_canon_with_a_mirror_is_not_taken_for_one_without(name: str) -> None:
    assert body_for(_Settings(cameramodel=(f"Canon EOS {name}",))).release_for(Release.MIRROR_LOCKUP)[1] == ""


def test_a_sony_is_configured_by_its_own_words() -> None:
    settings = sony()
    body = body_for(settings)
    assert isinstance(body, Sony)
    body.configure(800, settings.set)
    assert (settings.values["imagequality"], settings.values["capturetarget"]) == ("RAW", "card")
    assert state_of(body.checks(), "mirror") == Check("mirror", "ok", "none to lock up")


def test_a_camera_without_raw_is_refused_in_one_line() -> None:
    settings = _Settings(cameramodel=("PowerShot",), imageformat=("normal", "fine"), iso=("100",), shutterspeed=("1",))
    body = body_for(settings)
    assert isinstance(body, GenericBody)
    with pytest.raises(SettingError, match="PowerShot offers no raw files") as caught:
        body.configure(100, settings.set)
    assert "\n" not in str(caught.value)
    assert settings.values["imageformat"] == "normal"


def test_a_camera_without_live_view_says_so() -> None:
    settings = sony()
    with pytest.raises(CameraError, match="no live view"):
        body_for(settings).released_by(Release.LIVE_VIEW, settings.set).__enter__()
