"""The adapter contract: what a module for one vendor's format implements, and signature helpers for it.

Public: other packages write adapters with it. `contract` has its types and version, `base` the base class,
`manifest` the facts that an adapter states about itself.
"""
