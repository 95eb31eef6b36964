"""From texts to batches: what data and tokenizers must offer, encoded splits and their cache, batches of token ids."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
