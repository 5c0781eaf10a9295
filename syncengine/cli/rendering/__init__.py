"""Reports as people read them in a terminal, and as programs read them."""
