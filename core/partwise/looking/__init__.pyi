from .embeddings import analogy as analogy
from .embeddings import neighbours as neighbours
from .facts import Facts as Facts
from .inside import Look as Look
from .inside import Looked as Looked
from .inside import look as look
from .words import WordTable as WordTable
from .words import embedding_table as embedding_table
