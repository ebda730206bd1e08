"""The machines: one per release, booted once for all files, with the wheel installed as an operator would.

With `pytest -n 2` the machines work side by side, one in each process.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.systemd.machine import RELEASES, Machine, Missing, checked, wheels

INSTALL = """
useradd --create-home --shell /bin/bash anna
python3 -m venv /opt/executord
/opt/executord/bin/pip install --quiet --no-index --find-links /wheels 'executord[web]'
ln -s /opt/executord/bin/executord /usr/local/bin/executord
executord init /srv/agent_memory
executord service install
usermod -aG executord anna
# so many open tasks of so many tests for one engineer
echo EXECUTORD_ROSTER__TECHNICAL_SUPPORT_ENGINEER__CAPACITY=0 >> /etc/executord/environment
systemctl restart executord
"""


class ByMachine(LoadScopeScheduling):  # type: ignore[misc]
    """All tests of a release in one process, in their order."""

    def _split_scope(self, nodeid: str) -> str:
        return next((release for release in RELEASES if f"[{release}" in nodeid), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByMachine:
    """Asked only where there are several processes."""
    return ByMachine(config, log)


@pytest.fixture(scope="session", params=RELEASES)
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A booted Debian on which `executord service install` was called."""
    try:
        checked()
        made = Machine(request.param, bind=wheels(request.param))
    except Missing as reason:
        pytest.skip(str(reason))
    try:
        try:
            made.boot()
        except Missing as reason:
            pytest.skip(str(reason))
        made.sh(INSTALL)
        yield made
    finally:
        made.remove()
