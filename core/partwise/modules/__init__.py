"""What modules promise and receive: protocols, the facts of a pass, masks, modules of other libraries."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
