"""A reader with the schemas of the last released version still reads what is written now."""

from contracts.compatibility import compare_trees
from contracts.schemas import FOLDER, RELEASED


def test_nothing_that_was_released_is_broken() -> None:
    broken = [
        f"{name}{change.path} {change.rule}: {change.detail}"
        for name, changes in compare_trees(RELEASED, FOLDER).items()
        for change in changes
        if change.breaking
    ]
    assert broken == [], "a breaking change needs a new version of the type"
