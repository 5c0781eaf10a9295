"""Our own stand-ins for the vendors, over real HTTP."""
