"""The machines: one per release, booted once for all files, with the wheel installed as an operator would.

Each release is a group of its own for `pytest -n 2 --dist loadgroup`: the two machines work side by side.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.systemd.machine import RELEASES, Machine, Missing, checked, wheels

INSTALL = """
useradd --create-home --shell /bin/bash anna
python3 -m venv /opt/executord
/opt/executord/bin/pip install --quiet --no-index --find-links /wheels executord
ln -s /opt/executord/bin/executord /usr/local/bin/executord
executord init /srv/agent_memory
executord service install
usermod -aG executord anna
# so many open tasks of so many tests for one engineer
echo EXECUTORD_ROSTER__TECHNICAL_SUPPORT_ENGINEER__CAPACITY=0 >> /etc/executord/environment
systemctl restart executord
"""


@pytest.fixture(
    scope="session", params=[pytest.param(release, marks=pytest.mark.xdist_group(release)) for release in RELEASES]
)
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
