"""Writing text with a model: the decoder, what samplers promise, and prompts."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
