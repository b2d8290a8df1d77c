# SPDX-License-Identifier: Apache-2.0
"""The door for Tempest."""

import pathlib
from typing import Any

from oslo_config import cfg
from tempest import config
from tempest.test_discover import plugins

from cinder_rbd_offload.tests.tempest import config as our_config


class RBDOffloadTempestPlugin(plugins.TempestPlugin):
    """Tests and options of ours."""

    def load_tests(self) -> tuple[str, str]:
        """Return where the tests are, and where their package begins."""
        here = pathlib.Path(__file__).resolve().parent
        return str(here), str(here.parents[2])

    def register_opts(self, conf: Any) -> None:
        """Register our options beside Tempest's."""
        config.register_opt_group(conf, our_config.group, our_config.options)

    def get_opt_lists(self) -> list[tuple[str, list[cfg.Opt]]]:
        """List our options for the sample of tempest.conf."""
        return [(our_config.group.name, our_config.options)]
