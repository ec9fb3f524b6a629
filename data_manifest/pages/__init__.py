"""What browsers are shown, by whichever wing: one guarded server for this machine alone, and one look."""

from pathlib import Path

STYLESHEET = Path(__file__).with_name("sidcap.css")
"""The look of every page of sidcap: no outside resources, system fonts, dark, red at night."""
