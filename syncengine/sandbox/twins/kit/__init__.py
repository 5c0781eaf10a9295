"""Parts that all twins share."""
