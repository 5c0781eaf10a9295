"""Our own stand-ins for the vendors, over real HTTP.

``server`` serves twins (``twins``), each on a ``stage`` of its own, which counts what
it is sent (``journal``) and lets requests fail (``faults``, ``holds``). ``admin`` is
the endpoint beside each twin that looks at all of this, and changes it.
"""
