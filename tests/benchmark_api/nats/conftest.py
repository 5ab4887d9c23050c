"""Measurements that the tests of the drop-in share."""

from __future__ import annotations

import pytest

from tests.helpers.nats_forms import Forms, make_forms


@pytest.fixture(scope="session")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Forms:
    return make_forms(tmp_path_factory.mktemp("forms"))
