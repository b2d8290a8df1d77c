# SPDX-License-Identifier: Apache-2.0
"""The page on messages has every message of the source, and no other."""

import pathlib

import ddt
from oslotest import base

import cinder_rbd_offload
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests import runbook
from cinder_rbd_offload.tests.unit import test_exceptions

PACKAGE = pathlib.Path(cinder_rbd_offload.__file__).parent
PAGE = PACKAGE.parent / 'doc' / 'source' / 'messages.rst'
TERMS = runbook.terms(PAGE.read_text())
SOURCES = dict(runbook.sources(PACKAGE))
LOGGED = sorted(
    {m for text in SOURCES.values() for m in runbook.logged(text)},
    key=lambda message: (message.text, message.kind),
)
FOREIGN = [m for text in SOURCES.values() for m in runbook.foreign(text)]
LEVELS = set(runbook.LEVELS.values())
OURS = {name for name in exceptions.__all__ if name[0].isupper()}


@ddt.ddt
class MessagesPageTestCase(base.BaseTestCase):
    """On a failure, write the message to doc/source/messages.rst."""

    def terms_for(self, text, kinds):
        return [t for t in TERMS if t.kind in kinds and t.covers(text)]

    @ddt.data(*((m.kind, m.text) for m in LOGGED))
    @ddt.unpack
    def test_a_line_of_the_log_is_explained_once(self, _level, text):
        """At each of its levels."""
        levels = [m.kind for m in LOGGED if m.text == text]
        found = self.terms_for(text, LEVELS)
        self.assertCountEqual(levels, [term.kind for term in found], text)

    @ddt.data(*((m.kind, m.text) for m in FOREIGN))
    @ddt.unpack
    def test_an_error_of_others_is_explained(self, _name, text):
        kinds = {term.kind for term in TERMS} - LEVELS - OURS
        self.assertEqual(1, len(self.terms_for(text, kinds)), text)

    @ddt.data(*((type(e).__name__, str(e)) for e, _ in test_exceptions.ERRORS))
    @ddt.unpack
    def test_an_error_of_ours_is_explained_by_its_words(self, name, text):
        self.assertEqual(1, len(self.terms_for(text, {name})), (name, text))

    def test_nothing_is_explained_that_does_not_exist(self):
        known = [m.text for m in LOGGED + FOREIGN]
        known += [str(error) for error, _text in test_exceptions.ERRORS]
        stale = [t for t in TERMS if not any(map(t.covers, known))]
        self.assertEqual([], stale)

    def test_the_source_is_looked_at(self):
        self.assertIn('driver.py', SOURCES)
        self.assertLess(25, len(LOGGED))
        self.assertEqual(LEVELS, {m.kind for m in LOGGED})
        self.assertLess(4, len(FOREIGN))

    def test_every_term_is_short_and_explained(self):
        lines = PAGE.read_text().splitlines()
        for before, line in zip(lines, [*lines[1:], ''], strict=True):
            if runbook.terms(before):
                self.assertRegex(line, r'^   \S')
                self.assertLess(len(before), 80)


@ddt.ddt
class FinderTestCase(base.BaseTestCase):
    def test_what_is_logged(self):
        source = """
LOG = logging.getLogger(__name__)
TEXT = 'a constant'
LOG.info(TEXT)
LOG.debug('not this')
LOG.info('%s', exc)
LOG.info('%(percent)d %% of %(name)s, %(rate).1f MiB/s', {})
def f():
    LOG.warning(
        'a long '
        'one: %s', exc)
    LOG.exception('broken')
    finding.warning('not this')
"""
        self.assertEqual(
            [
                runbook.Message('info', 'a constant'),
                runbook.Message('info', '... % of ..., ... MiB/s'),
                runbook.Message('warning', 'a long one: ...'),
                runbook.Message('error', 'broken'),
            ],
            runbook.logged(source),
        )

    @ddt.data(
        'log = logging.getLogger(__name__)',
        "LOG.warning(f'image {image}')",
        'LOG.error(text)',
        "LOG.log(30, 'level by number')",
    )
    def test_what_could_not_be_looked_up(self, source):
        self.assertRaises(runbook.Unknown, runbook.logged, source)

    def test_what_is_raised_in_the_words_of_others(self):
        source = """
class Halted(Exception): pass
raise store.Invalid(message=f'Size {a}: {b!r}\\nagain')
raise other.Wrong('it is wrong', 7)
raise ValueError('of Python')
raise Halted('of the module')
raise exceptions.NoRoom('of ours')
raise store.Wrapped(str(exc)) from exc
raise error
raise
"""
        self.assertEqual(
            [
                runbook.Message('store.Invalid', 'Size ...: ... again'),
                runbook.Message('other.Wrong', 'it is wrong'),
            ],
            runbook.foreign(source),
        )

    def test_terms(self):
        page = """
``a ...`` : warning
   Means this.
``in a text`` is no term
"""
        self.assertEqual(
            [runbook.Message('warning', 'a ...')], runbook.terms(page)
        )

    @ddt.data(
        ('a ...', 'a b c', True),
        ('a ...', 'a\nb', True),
        ('a ... c', 'a b c', True),
        ('a ... c', 'a b c d', False),
        ('a', 'a b', False),
        ('a (b) ...', 'a (b) c', True),
    )
    @ddt.unpack
    def test_covers(self, term, text, covered):
        self.assertEqual(covered, runbook.Message('info', term).covers(text))
