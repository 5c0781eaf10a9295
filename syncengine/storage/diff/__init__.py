"""The diff between a source and a destination's state."""
