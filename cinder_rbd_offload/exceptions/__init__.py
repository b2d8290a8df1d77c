# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, in one tree.

::

    OffloadError
    +-- CephError            a Ceph operation failed
    |   +-- CephNotPermitted the cephx user lacks a capability
    |   +-- CephUnreachable  there is no connection to the cluster
    |   +-- ImageExists      the image's name is taken in Glance's pool
    |   +-- PoolExhausted    a pool became full while it was written to
    |   +-- PoolMissing      the cluster has no pool of that name
    |   +-- SnapshotFailed   a volume's snapshot could not be taken
    +-- BindingsMissing      Ceph's Python modules are not installed
    +-- ConfigUnusable       cinder.conf does not say what is needed of it
    +-- ConversionFailed     a program that converts or compresses has failed
    |   +-- NoSpace          its temporary file did not fit
    +-- FormatDoubtful       the checks of an ordinary upload should judge it
    +-- NoRoom               the image would exceed a limit
    |   +-- PoolFull         that of the store's pool, not one of the user's
    +-- NotPublished         Glance has not taken the data, and never will
    |   +-- LocationRefused  Glance did not take the location
    |   +-- ImageGone        the image was deleted while it was being made
    |   +-- ImageTaken       the image became active with other data
    +-- EntryUnknown         an entry may or may not be in the journal
    +-- LocationUnknown      Glance may or may not have taken the location
    +-- TakenOver            another host has taken the upload over
    +-- SwiftError           an upload straight to Swift failed
    |   +-- SwiftFull        there is no room for it
    |   +-- SwiftLost        the faults lasted too long
    |   +-- SwiftRefused     Swift does not take it, and never will
    +-- NotDelegated         nobody may ask Glance on the owner's behalf
    +-- NotUndone            what a failed upload has left could not be removed
    +-- UploadFailed         Glance has not got the data that was sent
    +-- UploadMismatch       Glance has recorded other data than was sent
    +-- SpoolFull            there is no room to keep an upload's data
    +-- RewindRefused        data that is asked for again was not kept
    +-- SourceFailed         the data of an upload could not be read
    |   +-- SourceEnded      it ended before its size was reached
    |   +-- SourceExceeds    it goes on after its size was reached

Every message names the cause and the remedy. ``retriable`` answers the one
question that the caller has: may the same image be uploaded in another way
now? Where it is true, whatever the offload had made has been undone.
"""

from cinder_rbd_offload.exceptions.base import OffloadError
from cinder_rbd_offload.exceptions.ceph import BindingsMissing
from cinder_rbd_offload.exceptions.ceph import CephError
from cinder_rbd_offload.exceptions.ceph import CephNotPermitted
from cinder_rbd_offload.exceptions.ceph import CephUnreachable
from cinder_rbd_offload.exceptions.ceph import ConfigUnusable
from cinder_rbd_offload.exceptions.ceph import ImageExists
from cinder_rbd_offload.exceptions.ceph import PoolExhausted
from cinder_rbd_offload.exceptions.ceph import PoolMissing
from cinder_rbd_offload.exceptions.ceph import SnapshotFailed
from cinder_rbd_offload.exceptions.glance import FormatDoubtful
from cinder_rbd_offload.exceptions.glance import ImageGone
from cinder_rbd_offload.exceptions.glance import ImageTaken
from cinder_rbd_offload.exceptions.glance import LocationRefused
from cinder_rbd_offload.exceptions.glance import LocationUnknown
from cinder_rbd_offload.exceptions.glance import NoRoom
from cinder_rbd_offload.exceptions.glance import NotDelegated
from cinder_rbd_offload.exceptions.glance import NotPublished
from cinder_rbd_offload.exceptions.glance import PoolFull
from cinder_rbd_offload.exceptions.journal import EntryUnknown
from cinder_rbd_offload.exceptions.journal import NotUndone
from cinder_rbd_offload.exceptions.journal import TakenOver
from cinder_rbd_offload.exceptions.upload import ConversionFailed
from cinder_rbd_offload.exceptions.upload import NoSpace
from cinder_rbd_offload.exceptions.upload import RewindRefused
from cinder_rbd_offload.exceptions.upload import SourceEnded
from cinder_rbd_offload.exceptions.upload import SourceExceeds
from cinder_rbd_offload.exceptions.upload import SourceFailed
from cinder_rbd_offload.exceptions.upload import SpoolFull
from cinder_rbd_offload.exceptions.upload import SwiftError
from cinder_rbd_offload.exceptions.upload import SwiftFull
from cinder_rbd_offload.exceptions.upload import SwiftLost
from cinder_rbd_offload.exceptions.upload import SwiftRefused
from cinder_rbd_offload.exceptions.upload import UploadFailed
from cinder_rbd_offload.exceptions.upload import UploadMismatch

__all__ = [
    'BindingsMissing',
    'CephError',
    'CephNotPermitted',
    'CephUnreachable',
    'ConfigUnusable',
    'ConversionFailed',
    'EntryUnknown',
    'FormatDoubtful',
    'ImageExists',
    'ImageGone',
    'ImageTaken',
    'LocationRefused',
    'LocationUnknown',
    'NoRoom',
    'NoSpace',
    'NotDelegated',
    'NotPublished',
    'NotUndone',
    'OffloadError',
    'PoolExhausted',
    'PoolFull',
    'PoolMissing',
    'RewindRefused',
    'SnapshotFailed',
    'SourceEnded',
    'SourceExceeds',
    'SourceFailed',
    'SpoolFull',
    'SwiftError',
    'SwiftFull',
    'SwiftLost',
    'SwiftRefused',
    'TakenOver',
    'UploadFailed',
    'UploadMismatch',
]
