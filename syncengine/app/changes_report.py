"""Counts of changes as reports have them: fields by name, the most frequent tags."""

from __future__ import annotations

from itertools import islice

from syncengine.model.plans import MOST_TAGS
from syncengine.planning.planned_changes import ChangeCounter, Counts


def counted_changes(changes: ChangeCounter) -> tuple[Counts, Counts, int]:
    """Return the counts by field and by tag, and the number of those left out.

    Fields include the most frequent lists.
    """
    tags, lists = changes.tags(), changes.lists()
    named_tags, named_lists = _most_frequent(tags), _most_frequent(lists)
    left_out = len(tags) + len(lists) - len(named_tags) - len(named_lists)
    return {**changes.fields(), **named_lists}, named_tags, left_out


def _most_frequent(counts: Counts) -> Counts:
    """Return the first of some counts that are ordered by how frequent they are."""
    return dict(islice(counts.items(), MOST_TAGS))
