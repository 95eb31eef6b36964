"""A run's directory: how it is created, owned, checkpointed, measured and finished."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
