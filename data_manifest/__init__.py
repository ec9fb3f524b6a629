"""The ground floor: what a dataset is, how it lies on disk, and how one raw file is read.

Import from the modules (`sidcap.data_manifest.store`, `.schema`, `.raw`, ...): this one loads none of them, so that the
command line starts at once.
"""
