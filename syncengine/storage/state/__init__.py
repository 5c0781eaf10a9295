"""The state database: runs, contacts, leases, consent."""
