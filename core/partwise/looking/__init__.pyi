from .embeddings import analogy as analogy
from .embeddings import neighbours as neighbours
