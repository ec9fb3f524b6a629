"""What was shot with what."""

from __future__ import annotations

from collections import Counter, defaultdict

from sidcap.curate.report.contents import Contents
from sidcap.curate.report.words import NOTHING, body, day, listed, megabytes, share
from sidcap.data_manifest.pages.document import Block, Facts, KeyFigures, Section, Table, Words
from sidcap.data_manifest.schema import CameraBody, Frame
from sidcap.data_manifest.words import Split, counted


def shooting(contents: Contents) -> Section:
    """Bodies, lenses, sensitivities, dates; how many of what."""
    blocks: list[Block] = [_key_figures(contents)]
    if contents.simulated:
        blocks.append(_origin(contents.simulated))
    if not contents.frames:
        blocks.append(
            Words("The dataset has no frames yet: shoot a scene with `sidcap shoot`, or import some.", "doubt")
        )
    else:
        blocks += [_equipment(contents), _splits(contents)]
    blocks.append(_facts(contents))
    return Section("shooting", "What was shot, and with what", tuple(blocks))


def _key_figures(contents: Contents) -> KeyFigures:
    usable = sum(one.pair.usable for one in contents.pairs)
    size = sum(frame.size_bytes or 0 for frame in contents.files)
    return KeyFigures(
        (
            (f"{len(contents.scenes):,}", "scenes"),
            (f"{len(contents.pairs):,}", "pairs"),
            (share(usable, len(contents.pairs)), "pairs that can be trained on"),
            (f"{len(contents.frames):,}", "frames that count"),
            (megabytes(size), "of raw files"),
        )
    )


def _origin(simulated: str) -> Words:
    return {
        "simulated": Words(
            "Every frame was made by sidcap's simulated camera. Its scenes, light and sensor are models, not "
            "photographs: figures from them say nothing of a real camera.",
            "doubt",
        ),
        "real": Words("The frames are from real cameras, as their files say."),
    }.get(simulated, Words("Some frames are simulated, others real: the table of cameras tells which.", "doubt"))


def _equipment(contents: Contents) -> Table:
    groups: dict[tuple[CameraBody, str], list[Frame]] = defaultdict(list)
    for frame in contents.frames:
        groups[frame.camera, frame.lens].append(frame)
    rows = [
        (
            body(camera),
            camera.firmware.removeprefix("Firmware Version ") or NOTHING,
            lens or NOTHING,
            listed(f"f/{frame.aperture:g}" for frame in frames if frame.aperture),
            ", ".join(str(iso) for iso in sorted({frame.iso.set for frame in frames})),
            listed(frame.release.value for frame in frames if frame.release),
            f"{len(frames):,}",
        )
        for (camera, lens), frames in sorted(groups.items(), key=lambda item: (body(item[0][0]), item[0][1]))
    ]
    columns = ("Camera", "Firmware", "Lens", "Aperture", "ISO", "Release", "Frames")
    return Table("Cameras and lenses", columns, tuple(rows), frozenset({"Frames"}))


def _splits(contents: Contents) -> Table:
    scenes = Counter(scene.split for scene in contents.scenes)
    pairs = Counter(one.scene.split for one in contents.pairs)
    usable = Counter(one.scene.split for one in contents.pairs if one.pair.usable)
    rows = [
        (split.value, f"{scenes[split]:,}", f"{pairs[split]:,}", share(usable[split], pairs[split]))
        for split in Split
        if scenes[split]
    ]
    return Table(
        "What each scene is for",
        ("Split", "Scenes", "Pairs", "Can be used"),
        tuple(rows),
        frozenset({"Scenes", "Pairs", "Can be used"}),
        note="A whole scene belongs to one split, so that nothing of a test scene is ever trained on.",
    )


def _facts(contents: Contents) -> Facts:
    moments = sorted(frame.start_utc for frame in contents.frames if frame.start_utc is not None)
    requested = {frame.iso.requested for frame in contents.frames if frame.iso.requested != frame.iso.set}
    asked = ", ".join(
        f"{iso} was asked for, which is no setting of the camera" for iso in sorted(filter(None, requested))
    )
    lines = [
        ("Made", f"{day(contents.dataset.created_utc)}, with {contents.dataset.made_with}"),
        ("Shot", f"{day(moments[0])} to {day(moments[-1])}" if moments else NOTHING),
        (
            "Settling before each exposure",
            listed(f"{f.settle_s:g} s" for f in contents.frames if f.settle_s is not None),
        ),
        ("Black level from", listed(f.black.source for f in contents.frames if f.black)),
        ("White level from", listed(f.white.source for f in contents.frames if f.white)),
    ]
    if asked:
        lines.insert(2, ("ISO", asked))
    incomplete = sum(not scene.complete for scene in contents.scenes)
    if incomplete:
        lines.append(("Incomplete", counted(incomplete, "scene")))
    return Facts("More about it", tuple(lines))
