"""0Mind: serve everything. A skill server for trained models of any framework."""

__version__ = "2.0.0"
