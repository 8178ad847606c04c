"""The HTTP side of a pool: one file per dialect over one base handler."""
