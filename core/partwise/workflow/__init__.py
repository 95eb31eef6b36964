"""From a recipe to a trained model and back: what the command line and notebooks call."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
