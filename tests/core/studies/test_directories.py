"""Where a study keeps its results and its runs."""

from __future__ import annotations

import pytest

from partwise.errors import InputError
from partwise.studies.definition.reading import load_study
from partwise.studies.directories import study_directories


def test_a_study_cannot_be_kept_in_the_pool(study) -> None:
    with pytest.raises(InputError, match="is where the runs of studies are kept"):
        study_directories(load_study(study(name="pool")))
