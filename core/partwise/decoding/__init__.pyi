from .decoder import Decoder as Decoder
from .generate import generate_text as generate_text
from .generate import generate_texts as generate_texts
from .generate import left_padded as left_padded
from .generate import source_prompt as source_prompt
from .generate import text_prompt as text_prompt
from .sampler import Sampler as Sampler
