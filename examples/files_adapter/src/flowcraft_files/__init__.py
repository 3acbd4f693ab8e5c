"""Flowcraft on plain files in a folder."""
