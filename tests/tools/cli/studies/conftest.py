"""A tiny study of real parts, in place of the toy parts of the other commands' tests."""

from ....small_study import engine as engine
from ....small_study import here as here
from ....small_study import pretending as pretending
from ....small_study import recipe as recipe
from ....small_study import study as study
