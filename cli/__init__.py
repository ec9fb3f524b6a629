"""The roof: one module per command, thin. Run ``sidcap --help``."""

from sidcap.cli.app import app

__all__ = ["app"]
