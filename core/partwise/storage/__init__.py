"""Files that are whole or not there: JSON and text written atomically, safetensors, locks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
