"""One file per vendor API."""
