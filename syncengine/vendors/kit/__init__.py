"""Parts that the vendor adapters share.

None of them knows any one vendor. Adapters import them from ``syncengine.vendor``.
"""
