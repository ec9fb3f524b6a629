"""What an export says of the dataset as a whole: in the words of whoever exports it, and what its records know."""

from __future__ import annotations

from dataclasses import dataclass

from sidcap.data_manifest.exporters.cargo import Cargo


@dataclass(frozen=True)
class About:
    """What only a person can say; empty where nobody said it."""

    description: str = ""
    creator: str = ""
    licence: str = ""
    """A name such as CC-BY-4.0, or an address."""
    citation: str = ""


def described(cargo: Cargo, about: About) -> str:
    """A person's description, or what the records tell; whether frames are simulated is said in any case."""
    pairs = len(cargo.pairs)
    by_default = (
        f"{len(cargo.scenes)} static scenes, {pairs} pairs of a short and a long raw exposure, "
        f"shot with {cameras(cargo)}."
    )
    return " ".join(part for part in (_one_line(about.description) or by_default, simulation(cargo)) if part)


def cameras(cargo: Cargo) -> str:
    """The cameras' names."""
    return ", ".join(sorted({frame.camera.model for frame in cargo.frames} - {""})) or "an unknown camera"


def simulation(cargo: Cargo) -> str:
    """A sentence that says so where frames are simulated; empty where none is."""
    frames = cargo.frames
    simulated = sum(frame.camera.simulated for frame in frames)
    if simulated == 0:
        return ""
    which = "All frames are" if simulated == len(frames) else f"{simulated} of {len(frames)} frames are"
    return f"Simulated: {which} from sidcap's simulated camera, not photographs."


def _one_line(text: str) -> str:
    return " ".join(text.split())
