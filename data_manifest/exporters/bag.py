"""A dataset as a BagIt bag, for archives: every file, its checksum, and what proves years later that nothing changed.

Source: RFC 8493, The BagIt File Packaging Format (V1.0). The payload, ``data/``, is the dataset as it lies on disk.
"""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

from sidcap.data_manifest.exporters.about import About, described
from sidcap.data_manifest.exporters.cargo import Cargo, CargoFile
from sidcap.data_manifest.exporters.listing import OnStep, unheard
from sidcap.data_manifest.exporters.target import bring, must_lie_outside, new_folder, write_document
from sidcap.data_manifest.store import program, sha256_of

DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_KINDS = ("bytes", "kB", "MB", "GB", "TB")


def export_bag(
    cargo: Cargo, target: Path, about: About | None = None, *, whole: bool = True, on_step: OnStep = unheard
) -> None:
    """Write ``target``. ``whole``: the journal and whatever else lies in the dataset's folder, too.

    UsageError and DiskFullError before anything is written; ManifestError where a file is not what its record says.
    """
    must_lie_outside(cargo.store, target)
    documents = dict(cargo.documents())
    files = cargo.files
    if whole:
        files = files + _others(cargo, {*documents, *(file.path for file in files)})
    sums = {path: hashlib.sha256(content).hexdigest() for path, content in documents.items()}
    sums |= {file.path: file.sha256 for file in files}
    size_bytes = sum(file.size_bytes for file in files) + sum(map(len, documents.values()))
    with new_folder(target, size_bytes) as folder:
        for path, content in documents.items():
            write_document(folder / "data" / path, content)
        for done, file in enumerate(files, start=1):
            bring(cargo.store, file, folder / "data" / file.path)
            on_step(done, len(files))
        tags = {
            "bagit.txt": DECLARATION,
            "bag-info.txt": _info(cargo, about or About(), size_bytes, len(sums)),
            "manifest-sha256.txt": _manifest({f"data/{path}": digest for path, digest in sums.items()}),
        }
        for name, content in tags.items():
            write_document(folder / name, content)
        of_tags = _manifest({name: hashlib.sha256(content).hexdigest() for name, content in tags.items()})
        write_document(folder / "tagmanifest-sha256.txt", of_tags)


def _others(cargo: Cargo, known: set[str]) -> list[CargoFile]:
    """What else lies in the dataset's folder: the journal, unreadable files; nothing hidden, and no links."""
    root, found = cargo.store.root, []
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        is_hidden = any(part.startswith(".") for part in relative.parts)
        if path.is_file() and not path.is_symlink() and not is_hidden and relative.as_posix() not in known:
            found.append(CargoFile(path=relative.as_posix(), size_bytes=path.stat().st_size, sha256=sha256_of(path)))
    return found


def _manifest(sums: dict[str, str]) -> bytes:
    return "".join(f"{digest}  {escaped(path)}\n" for path, digest in sorted(sums.items())).encode()


def escaped(path: str) -> str:
    """A path as a manifest writes it: RFC 8493, 2.1.3."""
    return path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")


def unescaped(path: str) -> str:
    """Inverse of `escaped`."""
    return path.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")


def _info(cargo: Cargo, about: About, size_bytes: int, files: int) -> bytes:
    labels = {
        "Source-Organization": about.creator,
        "Bagging-Date": date.today().isoformat(),  # noqa: DTZ011  (a date on a label, by the clock on the wall)
        "External-Identifier": cargo.dataset.name,
        "External-Description": described(cargo, about),
        "License": about.licence,
        "Citation": about.citation,
        "Payload-Oxum": f"{size_bytes}.{files}",
        "Bag-Size": _human(size_bytes),
        "Bag-Software-Agent": program(),
    }
    return "".join(f"{label}: {' '.join(text.split())}\n" for label, text in labels.items() if text.strip()).encode()


def _human(size_bytes: float) -> str:
    for kind in _KINDS[:-1]:
        if size_bytes < 1000:
            return f"{size_bytes:.3g} {kind}"
        size_bytes /= 1000
    return f"{size_bytes:.3g} {_KINDS[-1]}"
