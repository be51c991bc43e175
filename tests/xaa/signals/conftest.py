import pytest

from tests.xaa.company import Company
from tests.xaa.signals.transmitter import Transmitter, configure


@pytest.fixture
def okta(company: Company) -> Transmitter:
    """The IdP's stream of events; Bob is linked to the IdP."""
    company.idp_link("bob")
    return Transmitter(company.idp, configure())
