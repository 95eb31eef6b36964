from .embeddings import analogy as analogy
from .embeddings import neighbours as neighbours
from .words import WordTable as WordTable
from .words import embedding_table as embedding_table
