"""What a report says of training runs: settings, curves, evaluations, and on what data they rest.

>>> part = runs_part([Path("run")], store, picture_bytes=2_000_000)
"""

from sidcap.model.report.part import runs_part

__all__ = ["runs_part"]
