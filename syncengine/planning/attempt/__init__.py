"""A contact's attempt, decided step by step without any input or output.

``contact_attempt`` is a generator: it yields what has to be done next (``steps``), is
sent the answer, and returns how the attempt ends. ``engine.contact`` plays it.
"""
