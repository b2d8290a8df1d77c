# SPDX-License-Identifier: Apache-2.0
"""``rbd-offload-status upgrade check``: the doctor's checks for upgrades.

The exit codes are those of oslo.upgradecheck: 0, 1 and 2 as of ``rbd-offload
doctor``; 2 also when no cinder.conf is found, or none of its back ends is
ours; and 255 when a named file cannot be read.
"""

import sys
from typing import Any

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from cinder_rbd_offload.cmd import config
from cinder_rbd_offload.cmd import examine
from cinder_rbd_offload.doctor import finding
from cinder_rbd_offload import exceptions

_CODES = {
    finding.Level.OK: upgradecheck.Code.SUCCESS,
    finding.Level.WARNING: upgradecheck.Code.WARNING,
    finding.Level.ERROR: upgradecheck.Code.FAILURE,
}

_UNUSABLE = 255


class Checks(upgradecheck.UpgradeCommands):
    """One check for each kind of finding, over all back ends.

    :param conf: Cinder's configuration, which has been read when a check runs
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._found: list[finding.Finding] = []

    def check(self) -> upgradecheck.Code:
        """Look at everything, print the results, return the worst."""
        try:
            config.prepare(self._conf)
            self._found = list(examine.examine(self._conf, examine.Request()))
        except (exceptions.ConfigUnusable, cfg.Error) as exc:
            self._found = [finding.error('configuration', str(exc), '')]
        names = dict.fromkeys(one.check for one in self._found)
        self._upgrade_checks = tuple(
            (name, (Checks._result, {'name': name})) for name in names
        )
        return super().check()

    def _result(self, name: str) -> upgradecheck.Result:
        found = [one for one in self._found if one.check == name]
        bad = [
            _text(one) for one in found if one.level is not finding.Level.OK
        ]
        return upgradecheck.Result(
            _CODES[finding.worst(found)], ' '.join(dict.fromkeys(bad)) or None
        )


def _text(one: finding.Finding) -> str:
    where = f'[{one.backend}] ' if one.backend else ''
    return finding.printable(f'{where}{one.text}. {one.remedy}'.strip())


class _Conf(cfg.ConfigOpts):
    """Finds the files that cinder-volume finds, whatever program this is."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        of = config.PROJECT, config.PROG
        options['default_config_files'] = cfg.find_config_files(*of)
        options['default_config_dirs'] = cfg.find_config_dirs(*of)
        return super().__call__(*args, **options)


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    conf = _Conf()
    try:
        with config.reading():
            given = sys.argv[1:] if argv is None else argv
            return upgradecheck.main(conf, config.PROJECT, Checks(conf), given)
    except exceptions.ConfigUnusable as exc:
        print(exc, file=sys.stderr)
        return _UNUSABLE


if __name__ == '__main__':
    sys.exit(main())
