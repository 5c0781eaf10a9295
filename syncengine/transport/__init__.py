"""HTTP: the only importer of aiohttp's client."""
