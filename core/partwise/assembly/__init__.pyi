from .build import assemble as assemble
from .build import make_room as make_room
from .build import materialise as materialise
from .build import refuse_if_too_large as refuse_if_too_large
from .build import seed_for as seed_for
from .build import skeleton as skeleton
from .inspection import Inspection as Inspection
from .inspection import inspect_model as inspect_model
