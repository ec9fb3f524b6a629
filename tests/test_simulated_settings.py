"""The simulated camera's settings, one by one, beside those that libgphoto2 listed for a real EOS 6D."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hosts import connected, gp, gphoto2, needs_gphoto2, run_gphoto2

from sidcap.capture.simulated import SimulatedCamera

LISTING = Path(__file__).parent / "data" / "canon-eos6d-config.txt"

AS_LISTED = {
    "imageformat": "Large Fine JPEG",
    "iso": "1600",
    "drivemode": "Continuous",
    "focusmode": "One Shot",
    "picturestyle": "Neutral",
    "lensname": "EF70-300mm f/4-5.6 IS USM",
    "shuttercounter": "147",
}
"""What the real body stood on."""


@dataclass
class Setting:
    """One widget as a client shows it."""

    label: str = ""
    kind: str = ""
    value: str = ""
    read_only: bool | None = None
    choices: list[str] = field(default_factory=list)


class Deviation(NamedTuple):
    """Where the simulated body may differ, and why. ``simulated`` are the values it may have; none says any."""

    name: str
    aspect: str
    simulated: tuple[str, ...]
    reason: str


DEVIATIONS = (
    Deviation("output", "value", ("Off",), "libgphoto2 names value 0 now"),
    Deviation("datetime", "value", (), "it is later than 2013"),
    Deviation(
        "customfuncex",
        "value",
        ("bad length", "9c,1,4,90,5,706,1,0,80b,1,0,70f,2,0,2,40a,1,3,70c,13" + ",0" * 19 + ","),
        "the old libgphoto2 read behind an empty record (what it shows is the record after it); of the three "
        "groups that the same body sent later, 2.5.30 shows the last and 2.5.34 none",
    ),
    Deviation("serialnumber", "value", (), "every body has its own 32 digits"),
    Deviation("vendorextension", "value", ("",), "libgphoto2 shows an absent text as empty now"),
    Deviation("d049", "value", ("2147484418",), "libgphoto2 printed it with a sign"),
    Deviation("autoexposuremode", "value", ("Manual",), "the simulated mode dial stands on M or B; this one on P"),
    Deviation("bracketmode", "kind", ("RADIO",), "libgphoto2 has a table for it now"),
    Deviation("bracketmode", "value", ("Unknown value 0000",), "libgphoto2 has a table for it now, without a 0"),
    Deviation("bracketmode", "choices", ("Unknown value 0000",), "libgphoto2 has a table for it now, without a 0"),
    Deviation("whitebalancexa", "kind", ("RADIO",), "libgphoto2 shows the choices now"),
    Deviation("whitebalancexb", "kind", ("RADIO",), "libgphoto2 shows the choices now"),
    Deviation("whitebalancexa", "choices", ("0", "1", "2", "3"), "libgphoto2 shows the choices now"),
    Deviation("whitebalancexb", "choices", ("0", "1", "2", "3"), "libgphoto2 shows the choices now"),
    Deviation("iso", "choices", ("50",), "this body's ISO range was not extended; later in the same dump it was"),
    Deviation("5001", "no choice", ("0",), "libgphoto2 keeps each choice once now; the body says 0 twice"),
    Deviation("eosremoterelease", "choices", (), "libgphoto2's own list of what it can do with the button"),
    Deviation("eosremoterelease", "no choice", (), "libgphoto2's own list of what it can do with the button"),
    Deviation("autoexposuremode", "choices", (), "libgphoto2's own list of all modes of all bodies"),
    Deviation("imageformat", "value", ("L",), "libgphoto2 2.5.32 renamed the formats"),
    Deviation("imageformatsd", "value", ("L",), "libgphoto2 2.5.32 renamed the formats"),
    Deviation("imageformatcf", "value", ("L",), "libgphoto2 2.5.32 renamed the formats"),
    Deviation("d402", "label", ("Friendly Device Name",), "libgphoto2 named it since"),
    Deviation("d407", "label", ("Perceived Device Type",), "libgphoto2 named it since"),
    Deviation("d406", "label", ("Session Initiator Info",), "libgphoto2 named it since"),
)

GONE = {
    "eosviewfinder": "libgphoto2 calls it viewfinder now",
    "movierecord": "libgphoto2 calls it movierecordtarget now",
}

NEW = {
    **dict.fromkeys(("aperture", "shutterspeed"), "on P the body offers neither: its mode dial stood on another mode"),
    **dict.fromkeys(
        ("Battery Level", "remotemode", "eventmode", "testolc", "opcode", "popupflash", "cancelautofocus"),
        "libgphoto2's own, for bodies that list an operation or property which the 6D lists",
    ),
    **dict.fromkeys(("eosmoviemode", "viewfinder", "liveviewsize", "storageid"), "libgphoto2's own since"),
    **dict.fromkeys(
        (
            *("mirrorlock", "mirrorlockstatus", "mirrordownstatus", "autoexposuremodedial", "colortemperature"),
            *("syncdatetimeutc", "datetimeutc", "movierecordtarget", "focusarea", "focusinfo", "strobofiring"),
            *("flashcharged", "oneshotrawon", "depthoffield", "eosmovieswitch", "aspectratio", "afmethod"),
            *("highisonr", "alomode"),
        ),
        "the real body announced the property, and libgphoto2 shows it now",
    ),
}

_NEW_FORMAT_NAMES = {
    "Large Fine JPEG": "L",
    "Large Normal JPEG": "cL",
    "Medium Fine JPEG": "M",
    "Medium Normal JPEG": "cM",
    "Small Fine JPEG": "S1",
    "Small Normal JPEG": "cS1",
    "Smaller JPEG": "S2",
    "Tiny JPEG": "S3",
}
_BY_NUMBER = {
    "output": {
        f"Unknown value 000{number:x}": label
        for number, label in enumerate(
            "PC + MOBILE|TFT + PC + MOBILE|MOBILE2|TFT + MOBILE2|PC + MOBILE2|TFT + PC + MOBILE2".split("|"), start=6
        )
    }
    | {"Unknown value 0004": "MOBILE", "Unknown value 0005": "TFT + MOBILE", "Undefined": "Off"},
    "iso": {
        f"Unknown value 00{code}": iso
        for code, iso in (("7b", "8000"), ("7d", "10000"), ("83", "16000"), ("85", "20000"))
    },
    "picturestyle": {"Unknown value 0087": "Auto"},
    "exposurecompensation": {"Unknown value 00dd": "-4.3", "-1.0": "-1", "1.0": "1"},
    **{
        f"imageformat{card}": {
            f"Unknown value {raw}{jpeg}": f"{prefix}RAW + {label}"
            for raw, prefix in (("04", ""), ("14", "m"), ("24", "s"))
            for jpeg, label in (
                *(("d3", "Small Fine JPEG"), ("d2", "Small Normal JPEG")),
                *(("e3", "Smaller JPEG"), ("f3", "Tiny JPEG")),
            )
        }
        for card in ("", "sd", "cf")
    },
}
"""What libgphoto2 calls now what it did not know by name."""


def renamed(name: str, label: str) -> set[str]:
    """What a choice of the listing may be called by a newer libgphoto2."""
    known = _BY_NUMBER.get(name, {}).get(label, label)
    labels = {label, known}
    if name.startswith("imageformat"):
        raw, plus, jpeg = known.rpartition(" + ")
        labels.add(raw + plus + _NEW_FORMAT_NAMES.get(jpeg, jpeg))
    return labels


def parse_listing(text: str) -> dict[str, Setting]:
    """Settings by their last name, from what ``gphoto2 --list-all-config`` prints."""
    settings: dict[str, Setting] = {}
    setting = Setting()
    for line in text.splitlines():
        if line.startswith("/main/"):
            setting = settings.setdefault(line.strip().rpartition("/")[2], Setting())
            setting.choices.clear()
            continue
        key, _, value = line.partition(": ")
        match key:
            case "Label":
                setting.label = value
            case "Type":
                setting.kind = value
            case "Current" | "Current:":
                setting.value = value
            case "Readonly":
                setting.read_only = value == "1"
            case "Choice":
                setting.choices.append(value.partition(" ")[2])
    return settings


_KINDS = {
    gp.GP_WIDGET_TEXT: "TEXT",
    gp.GP_WIDGET_RADIO: "RADIO",
    gp.GP_WIDGET_MENU: "MENU",
    gp.GP_WIDGET_TOGGLE: "TOGGLE",
    gp.GP_WIDGET_DATE: "DATE",
}


def read_tree(widget: Any) -> Iterator[tuple[str, Setting]]:
    """All settings below a libgphoto2 widget, as ``--list-all-config`` would print them."""
    if widget.get_type() in (gp.GP_WIDGET_WINDOW, gp.GP_WIDGET_SECTION):
        for index in range(widget.count_children()):
            yield from read_tree(widget.get_child(index))
        return
    kind = _KINDS[widget.get_type()]
    choices = list(widget.get_choices()) if kind in ("RADIO", "MENU") else []
    yield (
        widget.get_name(),
        Setting(widget.get_label(), kind, str(widget.get_value()), bool(widget.get_readonly()), choices),
    )


def deviations(real: Mapping[str, Setting], simulated: Mapping[str, Setting]) -> Iterator[tuple[str, str | None]]:
    """Every difference, and the reason why it may be, or None."""
    for name in real.keys() - simulated.keys():
        yield f"{name} is missing", GONE.get(name)
    for name in simulated.keys() - real.keys():
        yield f"{name} is new", NEW.get(name)
    for name in real.keys() & simulated.keys():
        there, here = real[name], simulated[name]
        for aspect in ("label", "kind", "value"):
            is_there, is_here = getattr(there, aspect), getattr(here, aspect)
            if is_there != is_here:
                yield f"{name}: {aspect} {is_here!r} for {is_there!r}", reason(name, aspect, is_here)
        yield from deviating_choices(name, there.choices, here.choices)


def deviating_choices(name: str, real: list[str], simulated: list[str]) -> Iterator[tuple[str, str | None]]:
    """Choices in which the lists differ; they have to be in the same order."""
    rest = list(simulated)
    for choice in real:
        while rest and rest[0] not in renamed(name, choice) and (why := reason(name, "choices", rest[0])):
            yield f"{name}: choice {rest.pop(0)!r}", why
        if rest and rest[0] in renamed(name, choice):
            rest.pop(0)
        else:
            yield f"{name}: no choice {choice!r}", reason(name, "no choice", choice)
    for choice in rest:
        yield f"{name}: choice {choice!r}", reason(name, "choices", choice)


def reason(name: str, aspect: str, simulated: str) -> str | None:
    for deviation in DEVIATIONS:
        if (deviation.name, deviation.aspect) == (name, aspect) and simulated in (deviation.simulated or (simulated,)):
            return deviation.reason
    return None


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCamera]:
    with (
        pytest.MonkeyPatch.context() as environment,
        SimulatedCamera(settings=AS_LISTED, serial="033024014483") as camera,
    ):
        home = tmp_path_factory.mktemp("home")
        (home / ".gphoto").mkdir()
        (home / ".gphoto" / "settings").write_text("ptp2=capturetarget=card\n")  # the host keeps it, not the camera
        environment.setenv("HOME", str(home))
        yield camera


@pytest.fixture(scope="module", params=["python-gphoto2", "gphoto2"])
def simulated(
    request: pytest.FixtureRequest, body: SimulatedCamera, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Setting]:
    """The simulated camera's settings, as each of two clients sees them."""
    if request.param == "python-gphoto2":
        with connected(body) as host:
            return dict(read_tree(host.get_config()))
    if shutil.which("gphoto2") is None:
        pytest.skip("the gphoto2 command is not installed")
    return parse_listing(gphoto2(body, "--list-all-config", folder=tmp_path_factory.mktemp("listing")))


@pytest.fixture(scope="module")
def real() -> dict[str, Setting]:
    return parse_listing(LISTING.read_text())


def test_every_setting_is_that_of_a_real_6d_but_for_deviations_with_a_reason(
    real: dict[str, Setting], simulated: dict[str, Setting]
) -> None:
    found = sorted(deviations(real, simulated), key=lambda deviation: deviation[0])
    for difference, why in found:
        print(f"{difference}: {why or 'NO REASON'}")  # noqa: T201 - shown by pytest -s, and where the test fails
    assert len(real) == 56
    assert [difference for difference, why in found if why is None] == []


def test_what_cannot_be_set_says_so(simulated: dict[str, Setting]) -> None:
    read_only = {name for name, setting in simulated.items() if setting.read_only}
    assert {
        *("serialnumber", "manufacturer", "cameramodel", "deviceversion", "model", "ptpversion", "batterylevel"),
        *("lensname", "eosserialnumber", "shuttercounter", "availableshots", "d402", "5001"),
    } <= read_only
    assert not read_only & {"iso", "imageformat", "drivemode", "artist", "reviewtime", "aeb", "customfuncex"}


def test_there_is_no_custom_function_60f(simulated: dict[str, Setting]) -> None:
    assert "60f" not in simulated["customfuncex"].value


@needs_gphoto2
def test_a_custom_function_that_the_body_has_is_set_and_another_is_refused(
    body: SimulatedCamera, simulated: dict[str, Setting], tmp_path: Path
) -> None:
    before = simulated["customfuncex"].value
    if "70f" not in before:
        pytest.skip("this libgphoto2 cannot read custom functions")
    for wrong in ("14,1,4,8,1,60f,1,1,", before.replace("70f", "60f")):
        done = run_gphoto2(body, "--set-config", f"customfuncex={wrong}", folder=tmp_path)
        assert done.returncode != 0
    changed = before.replace("80b,1,0,", "80b,1,1,")
    gphoto2(body, "--set-config", f"customfuncex={changed}", folder=tmp_path)
    assert changed in gphoto2(body, "--get-config", "customfuncex", folder=tmp_path)
