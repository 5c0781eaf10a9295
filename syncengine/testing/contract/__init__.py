"""The contract: what the engine relies on, as tests that name no vendor."""
