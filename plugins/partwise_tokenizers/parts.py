"""The built-in tokenizers parts."""

PARTS = ()
