"""partwise builds language models part by part from JSON recipes.

What is imported here is loaded on first use, so that `import partwise` costs nothing and imports no torch. The names
are in `__init__.pyi` beside this file."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
