"""Datasets that others made, brought into the manifest; one module for each kind."""
