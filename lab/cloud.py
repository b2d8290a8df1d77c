# SPDX-License-Identifier: Apache-2.0
"""What the driver needs of a cloud, as ``devstack/cloud.conf`` says it.

The devstack plugin takes it from there, too.
"""

from collections.abc import Sequence
import configparser
import pathlib

CONF = pathlib.Path(__file__).parent.parent / 'devstack' / 'cloud.conf'


def options(section: str, pools: Sequence[str] = ()) -> dict[str, str]:
    """Return the options of a section, by name.

    :param pools: the pools of the volumes and of the images
    """
    parser = configparser.ConfigParser(interpolation=None, delimiters=('=',))
    # Capabilities and options keep their case; the types know no other way
    # than a method.
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    with CONF.open() as file:
        parser.read_file(file)
    found = dict(parser[section])
    for place, pool in zip(('@volumes@', '@images@'), pools, strict=False):
        found = {
            name: text.replace(place, pool) for name, text in found.items()
        }
    return found


def lines(section: str) -> str:
    """Return the options of a section, as lines of a configuration file."""
    return '\n'.join(
        f'{name} = {text}' for name, text in options(section).items()
    )
