"""What modules must offer and what they are given: protocols, flows, masks, decoding states, foreign modules."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
