import pytest

import raison

QUESTION = "How many r's are in strawberry?"


@pytest.fixture(scope="session")
def model():
    with raison.Model(threads=2) as m:  # the built-in model
        yield m


@pytest.fixture
def session(model):
    with model.session() as s:
        yield s
