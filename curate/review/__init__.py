"""``sidcap review``: people look at pairs in the browser, and decide."""

from sidcap.curate.review.app import application

__all__ = ["application"]
