"""Parts that all twins share; twins of other packages are built from them as well.

A new twin is a ``TwinStore`` (``store``) with its ``TwinAccount``, an ``ApiTwin``
(``api``) over that store, and a ``StoreScreen`` (``screen``). ``requests`` reads what
comes in, ``answers`` writes what goes out, ``fields`` has small helpers for both.
"""
