"""Bringing the tree to a host: rules and plan decide, scan and push do."""
