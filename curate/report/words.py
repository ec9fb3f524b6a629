"""Numbers and records as a reader wants them: the same everywhere in a report."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sidcap.data_manifest.pages.document import Badge, Tone
from sidcap.data_manifest.schema import CameraBody, Measured

NOTHING = "–"
"""Where there is no number."""

_TONES: dict[str, Tone] = {
    "aligned": "good",
    "accepted": "good",
    "misaligned": "bad",
    "rejected": "bad",
    "undetermined": "doubt",
    "not verified": "doubt",
}
STANDINGS = ("aligned", "accepted", "undetermined", "not verified", "misaligned", "rejected")
"""In this order wherever they are counted."""


def standing(word: str) -> Badge:
    """What a pair stands at, to be found at a glance."""
    return Badge(word, _TONES.get(word, "plain"))


def seconds(exposure_s: float) -> str:
    """A time as a dial has it: ``10 s``, ``0.5 s``, ``1/30 s``."""
    if exposure_s >= 0.3:
        return f"{exposure_s:.4g} s"
    return f"1/{round(1 / exposure_s)} s"


def percent(share: float) -> str:
    """A difference: ``+1.6 %``."""
    text = f"{share:+.1%}".replace("%", " %")
    return "0.0 %" if text in ("+0.0 %", "-0.0 %") else text


def share(part: int, whole: int) -> str:
    """``12 (75 %)``."""
    return f"{part:,} ({part / whole:.0%})".replace("%", " %") if whole else NOTHING


def measured(found: Measured | None, unit: str) -> str:
    """``0.0512 ± 0.0003 e⁻/DN``."""
    if found is None:
        return "not measured"
    if not found.sigma:
        return f"{found.value:.4g} {unit}"
    return f"{found.value:.4g} ± {found.sigma:.2g} {unit}"


def body(camera: CameraBody) -> str:
    """``Canon EOS 6D, serial 000000006001 (simulated)``."""
    name = camera.model or "unknown camera"
    name += f", serial {camera.serial}" if camera.serial else ""
    return f"{name} (simulated)" if camera.simulated else name


def day(moment: datetime) -> str:
    """``2026-01-02 03:04 UTC``."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def megabytes(count: int) -> str:
    """``41.2 MB``, ``1.3 GB``."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def listed(words: Iterable[str]) -> str:
    """Different ones, sorted, with commas between; a dash for none."""
    return ", ".join(sorted({word for word in words if word})) or NOTHING
