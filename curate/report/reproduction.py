"""All that is needed to have the dataset again: commands, versions, checksums."""

from __future__ import annotations

import platform
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from statistics import median

from sidcap.curate.report.contents import Contents
from sidcap.curate.report.words import listed
from sidcap.data_manifest.naming import seconds_text
from sidcap.data_manifest.pages.document import Block, Facts, Listing, Section, Words
from sidcap.data_manifest.schema import CalibrationFrame, CameraBody, Scene
from sidcap.data_manifest.store import program
from sidcap.data_manifest.words import Split, counted

_MOST_CHECKSUMS = 500


def reproduction(contents: Contents) -> Section:
    """Commands as the records tell them, what ran, and what pins the content."""
    blocks: list[Block] = []
    commands = list(_commands(contents))
    if commands:
        blocks.append(Listing("Commands that shoot and judge such a dataset", "\n".join(commands)))
    blocks.append(
        Words(
            "They are told by the records: what was asked for and how it was judged. Light and scenes are not in them."
        )
    )
    blocks.append(Facts("Versions and checksums", tuple(_facts(contents))))
    blocks += _checksums(contents)
    return Section("reproduce", "How to reproduce it", tuple(blocks))


def _commands(contents: Contents) -> Iterator[str]:
    shots = Counter(shot for scene in contents.scenes if (shot := _shoot(scene)) is not None)
    for (command, split), count in sorted(shots.items(), key=lambda item: (item[0][0], list(Split).index(item[0][1]))):
        yield f"{command} --split {split} --scenes {count}"
    if any(scene.pairs and scene.frames[0].iso.requested is None for scene in contents.scenes):
        yield "sidcap import sid FOLDER"
    yield from _calibration_commands("shoot-darks", contents.calibration.darks)
    yield from _calibration_commands("shoot-flats", contents.calibration.flats)
    if contents.calibration.sensors:
        yield "sidcap calibrate"
    for tolerance_px in sorted({one.pair.alignment.tolerance_px for one in contents.pairs if one.pair.alignment}):
        yield f"sidcap verify-alignment --tolerance {tolerance_px:g}"


def _calibration_commands(command: str, frames: Sequence[CalibrationFrame]) -> Iterator[str]:
    """One command for each ISO that was asked for; names of times as a person gives them."""
    counts: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    for frame in frames:
        counts[frame.iso.requested or frame.iso.set, _camera(frame.camera)][seconds_text(frame.exposure.nominal_s)] += 1
    for (iso, camera), exposures in sorted(counts.items()):
        times = ",".join(sorted(exposures, key=float, reverse=True))
        yield f"sidcap {command}{camera} --iso {iso} --exposures {times} --repeats {max(exposures.values())}"


def _shoot(scene: Scene) -> tuple[str, Split] | None:
    """The command that shoots such a bracket; None where sidcap did not shoot it."""
    if not scene.pairs:
        return None
    long = scene.frame(scene.pairs[0].reference)
    if long.iso.requested is None or long.exposure.requested_s is None or long.release is None:
        return None
    counts = Counter(pair.ratio.nominal for pair in scene.pairs)
    ratios = ",".join(f"{ratio:g}" for ratio in sorted(counts))
    command = f"sidcap shoot{_camera(long.camera)} --iso {long.iso.requested} --ratios {ratios}"
    command += f" --long {seconds_text(long.exposure.requested_s)}"
    command += f" --release {long.release.value}"
    if long.settle_s:
        command += f" --settle {long.settle_s:g}"
    if (repeats := round(median(counts.values()))) > 1:
        command += f" --repeats {repeats}"
    return command, scene.split


def _camera(body: CameraBody) -> str:
    return " --camera simulated" if body.simulated else ""


def _facts(contents: Contents) -> Iterator[tuple[str, str]]:
    yield "Dataset made with", contents.dataset.made_with
    yield (
        "Report written with",
        f"{program()}, Python {platform.python_version()}, {platform.system()} {platform.machine()}",
    )
    yield "Libraries", ", ".join(f"{name} {version(name)}" for name in ("rawpy", "numpy", "opencv-python-headless"))
    methods = (found.method for one in contents.pairs if (found := one.pair.alignment))
    yield "Registration", listed(methods)
    yield "Calibration", listed(record.method for record in contents.calibration.sensors)
    yield "Manifest, SHA-256", contents.manifest_sha256
    yield (
        "How that is made",
        "sha256sum dataset.json calibration/calibration.json scenes/*.json | sha256sum, in the dataset's folder",
    )


def _checksums(contents: Contents) -> Iterator[Block]:
    lines = [f"{frame.sha256}  {frame.path}" for frame in contents.files if frame.sha256]
    if len(lines) > _MOST_CHECKSUMS:
        yield Words(
            f"The checksums of all {counted(len(lines), 'file')} are in the scenes' files, which the manifest's "
            "checksum covers; `sidcap report --plots FOLDER` writes them to FOLDER/checksums.sha256."
        )
    elif lines:
        yield Listing(
            "Checksums of every file, for `sha256sum --check` in the dataset's folder", "\n".join(lines), folded=True
        )


def checksums_of(contents: Contents) -> str:
    """Every file's SHA-256, for ``sha256sum --check``."""
    return "".join(f"{frame.sha256}  {frame.path}\n" for frame in contents.files if frame.sha256)
