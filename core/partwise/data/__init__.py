"""From texts to batches of token ids: what data and tokenizers promise, encoding, the cache, and batches."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
