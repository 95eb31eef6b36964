from .decoder import Decoder as Decoder
from .generate import generate_text as generate_text
from .generate import generate_texts as generate_texts
from .prompts import left_padded as left_padded
from .prompts import source_prompt as source_prompt
from .prompts import text_prompt as text_prompt
from .sampler import Sampler as Sampler
