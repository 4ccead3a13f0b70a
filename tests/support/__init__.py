"""What several test files share: the naive fold, event generators, comparisons. Holds no tests of its own."""

import pytest

# So that a failed comparison shows both sides.
pytest.register_assert_rewrite("support.compare", "support.feed", "support.stores")
