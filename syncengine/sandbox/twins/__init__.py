"""One pure, stateful twin per vendor."""
