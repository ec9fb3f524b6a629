"""``croissant.json``: what a dataset holds, in JSON-LD that search engines and loaders of data sets read.

It lies in the dataset's folder or above it and names the files there: nothing is copied. Source: MLCommons, Croissant
Format Specification 1.1, http://mlcommons.org/croissant/1.1.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, get_args

from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.exporters.about import About, described
from sidcap.data_manifest.exporters.cargo import Cargo, CargoFile
from sidcap.data_manifest.exporters.listing import OnStep, unheard
from sidcap.data_manifest.exporters.tables import FrameRow, PairRow, frame_rows, pair_rows
from sidcap.data_manifest.exporters.target import unbroken
from sidcap.data_manifest.schema import Record
from sidcap.data_manifest.store import program, write_atomic
from sidcap.data_manifest.words import Split

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
FILE_NAME = "croissant.json"
ROOT = "sidcap:dataset"
"""Where croissant.json says in which folder beside it the dataset lies."""

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "sidcap": "urn:sidcap:",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES: dict[type, str] = {str: "sc:Text", int: "sc:Integer", float: "sc:Float", bool: "sc:Boolean"}
_FORMATS = {".json": "application/json", ".npz": "application/zip", ".dng": "image/x-adobe-dng"}
_RAW = "image/x-raw"
_SPLIT_URL = {
    Split.TRAIN: "cr:TrainingSplit",
    Split.TEST: "cr:TestSplit",
    Split.VAL: "cr:ValidationSplit",
}


def export_croissant(
    cargo: Cargo, out: Path | None = None, about: About | None = None, *, on_step: OnStep = unheard
) -> Path:
    """Write croissant.json, in the dataset's folder unless ``out`` is a file above it; gives its path.

    UsageError where it would lie elsewhere, for Croissant names files below its own folder; ManifestError where a file
    is not what its record says.
    """
    root = cargo.store.root.resolve()
    path = root / FILE_NAME if out is None else out.resolve()
    if not root.is_relative_to(path.parent):
        raise UsageError(f"{path} would not reach the dataset {root}: write it there or in a folder above")
    document = croissant(cargo, root.relative_to(path.parent).as_posix(), about or About(), on_step)
    write_atomic(path, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())
    return path


def croissant(cargo: Cargo, root: str, about: About, on_step: OnStep = unheard) -> dict[str, Any]:
    """The document. ``root``: the dataset's folder, relative to that of the document; ``.`` for the same one."""
    prefix = "" if root == "." else f"{root}/"
    whole = cargo.with_whole_scenes()  # their files stay as they are, so what they name has to be there
    files = [*_records(whole), *whole.files]
    distribution = []
    for done, file in enumerate(files, start=1):
        with unbroken(cargo.store, file):
            distribution.append(_file_object(file, prefix))
        on_step(done, len(files))
    said = {
        "license": about.licence,
        "creator": {"@type": "Organization", "name": about.creator} if about.creator else "",
        "citeAs": about.citation,
    }
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": cargo.dataset.name,
        "description": described(cargo, about),
        "conformsTo": CONFORMS_TO,
        **{key: value for key, value in said.items() if value},
        "version": "1.0.0",
        "datePublished": cargo.dataset.created_utc.date().isoformat(),
        "sdPublisher": program(),
        ROOT: root,
        "distribution": distribution,
        "recordSet": [
            _splits(cargo),
            _record_set("frames", FrameRow, "path", [row.model_dump() for row in frame_rows(cargo)]),
            _record_set("pairs", PairRow, None, [row.model_dump() for row in pair_rows(cargo)]),
        ],
    }


def _records(cargo: Cargo) -> list[CargoFile]:
    """The records as they lie in the dataset."""
    found = []
    for path, _ in cargo.documents():
        content = cargo.store.path(path).read_bytes()
        found.append(CargoFile(path=path, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()))
    return found


def _file_object(file: CargoFile, prefix: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": prefix + file.path,
        "contentSize": f"{file.size_bytes} B",
        "encodingFormat": _FORMATS.get(Path(file.path).suffix.lower(), _RAW),
        "sha256": file.sha256,
    }


def _splits(cargo: Cargo) -> dict[str, Any]:
    """The splits in Croissant's own words."""
    used = [split for split in Split if any(scene.split == split for scene in cargo.scenes)]
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": "sc:URL"},
        ],
        "data": [{"splits/name": split.value, "splits/url": _SPLIT_URL[split]} for split in used],
    }


def _record_set(name: str, row: type[Record], key: str | None, data: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows and what their columns mean, which the row's own documentation says."""
    document: dict[str, Any] = {"@type": "cr:RecordSet", "@id": name, "name": name}
    if key is not None:
        document["key"] = {"@id": f"{name}/{key}"}
    document["field"] = [
        {
            "@type": "cr:Field",
            "@id": f"{name}/{field}",
            "name": field,
            "description": " ".join((info.description or "").split()),
            "dataType": _data_type(info.annotation),
            **_reference(name, field),
        }
        for field, info in row.model_fields.items()
    ]
    document["data"] = [{f"{name}/{field}": value for field, value in values.items()} for values in data]
    return document


def _data_type(annotation: Any) -> str:
    """``sc:Float`` of ``float`` and of ``float | None``."""
    kinds = get_args(annotation) or (annotation,)
    return next(_TYPES[kind] for kind in kinds if kind is not type(None))


def _reference(name: str, field: str) -> dict[str, Any]:
    """What a column of pairs points to."""
    if field == "split":
        return {"references": {"field": {"@id": "splits/name"}}}
    if name == "pairs" and field in ("short", "long"):
        return {"references": {"field": {"@id": "frames/path"}}}
    return {}
