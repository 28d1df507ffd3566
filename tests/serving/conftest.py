import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from elq.linking.general import STARTER
from tests.conftest import RECORDS, write_lines
from tests.serving.servers import running


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    return write_lines(tmp_path_factory.mktemp("shop") / "shop.jsonl", RECORDS)


@pytest.fixture(scope="session")
def server(shop):
    """The starter and a small catalogue, with the general model."""
    with running(catalogue=(str(STARTER), f"shop={shop}"), reload_seconds=0) as found:
        yield found


@pytest.fixture(scope="session")
def linker(server):
    return server.state.default.now.linker
