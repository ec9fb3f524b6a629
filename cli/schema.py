"""``sidcap schema``."""

from __future__ import annotations

from sidcap.cli.screen import print_json


def schema() -> None:
    """Print the format of a dataset's files as JSON Schema.

    Of dataset.json, of the scene files and of calibration.json.

    [bold]Into a file[/]
    sidcap schema > sidcap.schema.json
    """
    from pydantic.json_schema import models_json_schema

    from sidcap.data_manifest.schema import Calibration, Dataset, Scene

    files = (Dataset, Scene, Calibration)
    _, document = models_json_schema([(kind, "validation") for kind in files], title="sidcap dataset")
    print_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **document})
