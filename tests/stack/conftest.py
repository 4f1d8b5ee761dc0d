"""Two products for the proofs of this folder: the shared one, and a rough one that tests starve, cut and restart."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.dialects import BOTH, Dialect
from tests.support.office import Company, Office
from tests.support.provider import ProviderMock
from tests.support.stack import ProductStack
from tests.support.valkey import ValkeyServer

# The rough product's own limits, seconds: long enough for a busy machine, short enough to be waited for.
FIRST_BYTE, IDLE, LEASE, DRAIN = 2.5, 2.0, 5, 1.0
MOST_BODY_BYTES = 1_000_000


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "rough" in getattr(item, "fixturenames", ()):
            item.add_marker("stack")
            item.add_marker(pytest.mark.xdist_group("rough"))


@pytest.fixture(params=BOTH, ids=str)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return request.param


@pytest.fixture
def company(office: Office) -> Company:
    """A company of the shared product with 50.00 a month and keys at both providers."""
    return office.company()


@dataclass(frozen=True)
class Rough:
    """A product whose Redis is the test's own to freeze, stop, flush and restore; its providers are two."""

    stack: ProductStack
    office: Office
    valkey: ValkeyServer
    provider: ProviderMock

    @property
    def base_url(self) -> str:
        return self.stack.base_url


@pytest.fixture(scope="session")
def rough_product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rough]:
    folder = tmp_path_factory.mktemp("rough")
    valkey = ValkeyServer(folder / "valkey", append_only=True)
    environment = {
        "REDIS_URL": valkey.url,
        "TOKONOMICS_SECRET_KEY": "the rough product's own secret, of fifty characters",
        "TOKONOMICS_ENCRYPTION_KEYS": "J4pXj1mYyN2fK9s0h3v7b6q5w8e1r4t7y0u3i6o9p2A=",
        "TOKONOMICS_UPSTREAM_FIRST_BYTE_TIMEOUT": str(FIRST_BYTE),
        "TOKONOMICS_UPSTREAM_IDLE_TIMEOUT": str(IDLE),
        "TOKONOMICS_LEDGER_LEASE_SECONDS": str(LEASE),
        "TOKONOMICS_ABANDONED_DRAIN_SECONDS": str(DRAIN),
        "TOKONOMICS_MAX_BODY_BYTES": str(MOST_BODY_BYTES),
        "TOKONOMICS_HELD_WAIT_SECONDS": "0.3",
    }
    with ProviderMock() as mock:
        stack = ProductStack(folder / "stack", provider=mock, environment=environment)
        valkey.start()
        try:
            stack.start()
            with Office(stack) as office:
                yield Rough(stack, office, valkey, mock)
            assert stack.stop() == 0, stack.output()
        finally:
            if stack.running():
                stack.kill()
            valkey.kill()


@pytest.fixture
def rough(rough_product: Rough) -> Iterator[Rough]:
    """The rough product, up and at rest; whatever a test did to its Redis is undone."""
    mock = rough_product.provider
    mock.script(None)
    mock.gate.set()
    mock.wait_idle()
    mock.record.reset()
    yield rough_product
    mock.script(None)
    mock.gate.set()
    if not rough_product.valkey.running():
        rough_product.valkey.start()
    rough_product.valkey.thaw()
