from importlib.metadata import version

import epochwatch


def test_version_is_that_of_the_package() -> None:
    assert epochwatch.__version__ == version("epochwatch")
