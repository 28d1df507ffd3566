"""Finds mentions whose entity is not in the catalogue, and groups those that seem to mean one new entity."""

from elq.emerging.discovery import discover, records
from elq.emerging.groups import Context, Group, GroupSettings
from elq.emerging.unlinked import CorpusText

__all__ = ["Context", "CorpusText", "Group", "GroupSettings", "discover", "records"]
