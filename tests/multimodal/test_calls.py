"""Calls with an image that is no picture are refused in one sentence."""

import pytest

from elq.errors import ElqError
from elq.multimodal.calls import called


def test_an_image_that_is_no_picture_is_refused() -> None:
    with pytest.raises(ElqError, match="the image of text 0 is 7: give a path"):
        called("the georgia team", [(4, 11)], 7, None)
    assert called("the georgia team", [(4, 11)], b"x", None)[0].image == b"x"
