"""``sidcap schema``."""

from __future__ import annotations

from sidcap.cli.screen import print_json


def schema() -> None:
    """Print the JSON Schema of dataset.json and of the scene files."""
    from pydantic.json_schema import models_json_schema

    from sidcap.data_manifest.schema import Dataset, Scene

    _, document = models_json_schema([(Dataset, "validation"), (Scene, "validation")], title="sidcap dataset")
    print_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **document})
