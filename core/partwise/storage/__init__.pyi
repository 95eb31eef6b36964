from .atomic import read_json as read_json
from .atomic import write_json as write_json
from .atomic import write_text as write_text
from .text import decode_text as decode_text
