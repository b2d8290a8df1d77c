# SPDX-License-Identifier: Apache-2.0
"""What is not plainly a raw disk is left to Glance's own verdict."""

import struct
import uuid

import ddt
from oslo_utils import units
from oslotest import base

from cinder_rbd_offload.offload import inspection


def head(*parts):
    """Lay out parts, each an offset and bytes, on an empty disk."""
    data = bytearray(inspection.HEAD)
    for offset, part in parts:
        data[offset : offset + len(part)] = part
    return bytes(data)


def qcow2(backing_offset=0):
    return struct.pack(
        '>4sIQIIQIIQQIIQQQQII',
        b'QFI\xfb',
        3,
        backing_offset,
        10 if backing_offset else 0,
        16,
        units.Gi,
        0,
        1,
        65536,
        131072,
        1,
        0,
        0,
        0,
        0,
        0,
        4,
        104,
    )


def mbr(kind):
    """A partition table with one partition of a kind."""
    entry = struct.pack('<BBBBBBBBII', 0, 0, 2, 0, kind, 255, 255, 255, 1, 99)
    return (446, entry), (510, b'\x55\xaa')


def vhdx():
    """A VHDX whose size is at its metadata's end, as Glance wants it."""
    table, metadata = 192 * units.Ki, 256 * units.Ki
    regions = struct.pack('<IIII', 0x69676572, 0, 1, 0) + struct.pack(
        '<16sQII',
        uuid.UUID('8b7ca206-4790-4b9a-b8fe-575f050f886e').bytes_le,
        metadata,
        units.Mi,
        1,
    )
    items = struct.pack('<8sHH20x', b'metadata', 0, 1) + struct.pack(
        '<16sIII',
        uuid.UUID('2fa54224-cd1b-4876-b211-5dbed83bf4b8').bytes_le,
        64 * units.Ki,
        8,
        0,
    )
    return head((0, b'vhdxfile'), (table, regions), (metadata, items))


RAW = {
    'zeros': head(),
    'ext4': head((1080, b'\x53\xef')),
    'a GPT': head(*mbr(0xEE), (512, b'EFI PART')),
    'an ISO': head((32769, b'CD001'), (2048 * 16, b'\x01CD001')),
    'LUKS': head((0, b'LUKS\xba\xbe' + struct.pack('>H', 1))),
    'qcow2 by itself': head((0, qcow2())),
    'a disk of a few bytes': b'just a few bytes',
}
DOUBTFUL = {
    'a bootable ISO': head((32768, b'\x01CD001'), *mbr(0xEE)),
    'a VHDX': vhdx(),
    'a VMDK by text, its type beyond the first chunk': head(
        (0, b'#' * 65516 + b'createType="' + b'a' * 100 + b'"')
    ),
    'qcow2 on a backing file': head((0, qcow2(backing_offset=512))),
    'QED': head((0, b'QED\0')),
    'qcow2 inside an ISO': head((0, qcow2()), (32768, b'\x01CD001')),
    'VMDK with a device': head(
        (0, b'KDMV' + struct.pack('<IIQQQQ', 1, 3, 1, 128, 1, 1)),
        (512, b'# Disk DescriptorFile\ncreateType="fullDevice"\n'),
    ),
}


@ddt.ddt
class InspectionTestCase(base.BaseTestCase):
    @ddt.data(*RAW)
    def test_glance_takes_it(self, kind):
        self.assertEqual('', inspection.doubt(RAW[kind]))

    @ddt.data(*DOUBTFUL)
    def test_glance_is_to_judge(self, kind):
        self.assertNotEqual('', inspection.doubt(DOUBTFUL[kind]))
