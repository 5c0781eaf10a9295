"""The nouns: frozen, slotted dataclasses that import nothing else of ours."""
