"""A song under two names is found, in whatever key; versions of one song share a split."""

import itertools
import json
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from ml_collections import ConfigDict

from musicfusion.codecs import melody
from musicfusion.core.results import write_songs
from musicfusion.data import chorales, near_duplicates, pop909, splits, voices
from musicfusion.data.corpus import concatenate, finer, joined, split_songs
from musicfusion.data.near_duplicates import NearDuplicates, families
from musicfusion.evaluate import read_corpus


def passages(text: str) -> frozenset[bytes]:
    return frozenset(letter.encode() for letter in text)


def test_a_near_duplicate_shares_more_than_half_of_its_passages_with_one_song():
    known = NearDuplicates()
    assert known.of(passages("abcd")) is None
    known.add("first", passages("abcd"))
    known.add("second", passages("efgh"))
    assert known.of(passages("abcx")) == "first"
    assert known.of(passages("abxy")) is None, "half is not more than half"
    assert known.of(passages("abef")) is None, "two songs do not add up"
    assert known.of(passages("")) is None
    known.add("third", passages("abce"))
    assert known.of(passages("abcy")) == "first", "of several the one met first"


def test_a_passage_that_a_song_has_twice_counts_once():
    known = NearDuplicates()
    for _ in range(3):
        known.add("first", passages("ab"))
    known.add("second", passages("a"))
    assert known.shared(passages("abcd")) == {"first": 2, "second": 1}
    assert known.of(passages("abcd")) is None, "half of them, however often they were met"


def test_windows_are_known_track_by_track_in_whatever_key_and_silence_is_not():
    generator = np.random.default_rng(0)
    songs = generator.integers(40, 60, (50, 8, 3))
    songs[:, 3], songs[:, 5] = melody.HOLD, melody.REST
    pitched = np.array([False, True, True])
    own = songs[[3, 7, 9, 11]].copy()
    own[0] += np.where(own[0] < melody.HOLD, 4, 0)  # all in another key, which drums do not have
    own[1, 2, 1] += 1
    own[2, :, 2] = melody.REST
    own[3, :, 0], own[3, :, 1] = songs[12, :, 0], songs[13, :, 1]  # tracks of several songs
    expected = [[False, True, True], [True, False, True], [True, True, False], [True, True, True]]
    assert near_duplicates.known_windows(own, songs, pitched).tolist() == expected
    silent = np.full((1, 8, 3), melody.REST)
    assert not near_duplicates.known_windows(silent, np.concatenate([songs, silent]), pitched).any()


def test_thousands_of_windows_are_looked_up_at_once():
    generator = np.random.default_rng(0)
    own, songs = (generator.integers(0, 130, (n, 32, 4), np.uint8) for n in (2000, 45_000))
    own[:700] = songs[-700:]
    began = time.perf_counter()
    known = near_duplicates.known_windows(own, songs, np.array([False, True, True, True]))
    assert time.perf_counter() - began < 5
    assert known.sum(0).tolist() == [700] * 4


def test_passages_are_the_same_in_every_key():
    pair = chorales.song(chorales.song_files()[0])
    higher = pair | {
        "melody": np.where(pair["melody"] < melody.HOLD, pair["melody"] + 3, pair["melody"]),
        "pitch": np.where(pair["duration"] > 0, pair["pitch"] + 3, 0)}
    tokens = voices.song(next(path for path in chorales.song_files() if path.stem == "bwv66.6"))
    tracks = [{"tracks": tokens}, {"tracks": np.where(tokens < melody.HOLD, tokens + 3, tokens)}]
    for passages, one, other in ((near_duplicates.of_pair, pair, higher), (near_duplicates.of_melody, pair, higher),
                                 (near_duplicates.of_tracks, *tracks)):
        assert len(passages(one)) > 3 and passages(one) == passages(other)
    changed = pair["melody"].copy()
    changed[12] += 1
    for passages in (near_duplicates.of_pair, near_duplicates.of_melody):
        assert passages(pair | {"melody": changed}) != passages(pair)


# Families -----------------------------------------------------------------------------------------------------------


def tune(seed: int, notes: int = 60) -> np.ndarray:
    """A melody that nobody else has: tokens [T], a note on every eighth or quarter."""
    generator = np.random.default_rng(seed)
    line, now = [], 0
    for pitch in generator.integers(60, 76, notes):
        line.append((now, 2, pitch))
        now += int(generator.choice([2, 4]))
    return melody.tokens_from_notes(np.array(line), -(-now // 16) * 16)


def higher(tokens: np.ndarray, shift: int = 5) -> np.ndarray:
    return melody.transpose(tokens, shift).astype(np.uint8)


def verse(tokens: np.ndarray, share: float) -> np.ndarray:
    """The first part of a melody."""
    return tokens[: int(len(tokens) * share) // 16 * 16]


A, B, C, D = map(tune, range(4))
VERSION = np.concatenate([C[:64], higher(verse(A, 0.5)), D[:64]])  # another introduction and ending, half of the song


def test_a_version_of_a_song_is_of_its_family_in_another_key_with_other_music_around_it():
    assert families("abcd", [A, B, VERSION, tune(9)]) == ("a", "b", "a", "d")
    assert families("abcd", [VERSION, B, tune(9), A]) == ("a", "b", "c", "a"), "the first gives the name"
    assert families("ab", [higher(verse(A, 0.5)), A]) == ("a", "a"), "a verse alone is the whole song"


def test_what_many_songs_have_makes_no_family():
    turn = A[:64]
    assert families("ab", [np.concatenate([turn, B]), np.concatenate([C, turn])]) == ("a", "b")
    note, scale = np.full(640, 60, np.uint8), np.tile(np.arange(60, 72, dtype=np.uint8), 50)
    assert families("abcd", [note, higher(note), scale, scale]) == ("a", "b", "c", "c")
    silence = np.full(640, melody.REST, np.uint8)
    assert families("abc", [silence, silence, A[:16]]) == ("a", "b", "c")


def test_versions_of_versions_are_one_family_whichever_is_met_first():
    both = np.concatenate([verse(A, 0.5), verse(B, 0.5)])  # a medley joins what it is made of
    for order in itertools.permutations([("a", A), ("b", B), ("both", both)]):
        names, melodies = zip(*order, strict=True)
        assert families(names, melodies) == (names[0],) * 3
    assert families("abcd", [A, C, B, both]) == ("a", "b", "a", "a")


def test_songs_of_one_name_are_one_already_and_so_are_their_versions():
    assert families(["a", "b", "a", "c"], [A, B, C, higher(C)]) == ("a", "b", "a", "a")


def test_families_do_not_depend_on_the_process():
    program = ("import sys, numpy as np; from musicfusion.data.near_duplicates import families;"
               "t = [np.frombuffer(bytes.fromhex(x), np.uint8) for x in sys.argv[1:]];"
               "print(*families([str(k) for k in range(len(t))], t))")
    melodies = [A, B, VERSION, higher(B), tune(9), np.concatenate([verse(A, 0.5), verse(B, 0.5)])]
    texts = [one.tobytes().hex() for one in melodies]
    runs = {subprocess.run([sys.executable, "-c", program, *texts], capture_output=True, text=True, check=True,
                           env={"PYTHONHASHSEED": seed}).stdout for seed in ("1", "2")}
    assert runs == {"0 0 0 0 4 0\n"}


def corpus(songs: dict[str, np.ndarray], source: str = "made up"):
    names = [name.partition("#")[0] for name in songs]
    return concatenate([(name, {"melody": tokens}) for name, tokens in songs.items()], {}, source,
                       families=families(names, list(songs.values())))


def test_the_split_is_that_of_the_family_and_of_others_it_stays_as_it_was():
    with_version = corpus({"a": A, "b#1": B, "c": VERSION, "d": tune(9)})
    alone = corpus({"a": A, "b#1": B, "d": tune(9)})
    assert with_version.families == ("a", "b", "a", "d") and with_version.versions == {"a": ["a", "c"]}
    seen = set()
    for seed in range(40):
        in_split = {}
        for split in splits.SPLITS:
            in_split |= {with_version.songs[k]: split for k in splits.select(with_version, np.arange(4), split, seed)}
        assert in_split["c"] == in_split["a"]
        assert all(in_split[name] == splits.of_song(name, seed) for name in alone.songs)
        seen.add(splits.of_song("c", seed) == in_split["c"])
    assert seen == {True, False}, "by its own name it would be elsewhere"


def test_the_fingerprint_sees_families_but_only_those_of_near_duplicates():
    songs = {"a": A, "b#1": B, "c": VERSION}
    plain = concatenate([(name, {"melody": tokens}) for name, tokens in songs.items()], {}, "")
    assert plain.families == ("a", "b", "c") and plain.versions == {}
    assert corpus(songs).fingerprint != plain.fingerprint
    without = corpus({"a": A, "b#1": B})
    assert without.fingerprint == concatenate([("a", {"melody": A}), ("b#1", {"melody": B})], {}, "").fingerprint
    assert finer(corpus(songs)).families == corpus(songs).families
    assert finer(corpus(songs)).fingerprint != finer(plain).fingerprint


def test_families_are_found_across_corpora_that_are_joined():
    one, two = corpus({"a": A, "b": B}), corpus({"c": VERSION, "d": tune(9)})
    both = joined([one, two])
    assert both.families == ("a", "b", "a", "d") and both.versions == {"a": ["a", "c"]}
    assert joined([two, one]).families == ("c", "d", "c", "b")
    three = joined([both, corpus({"e": higher(D), "f": VERSION})], ("x", "y"))
    assert three.families == ("a", "b", "a", "d", "e", "a")
    assert joined([one, corpus({"b": C})]).versions == {}, "one name is one song"


def test_a_run_says_which_songs_are_versions_and_its_workdir_names_them(tmp_path, capsys):
    found = corpus({"a": A, "b": B, "c": VERSION})
    declaration = SimpleNamespace(embedded_corpus="tunes", other_corpora="")
    system = SimpleNamespace(corpus=lambda config: found, declaration=declaration)
    read_corpus(system, ConfigDict({"data": {"root": ""}}), tmp_path)
    assert f"versions of one song, which share a split: a = c; {tmp_path / 'families.json'} names all" in (
        capsys.readouterr().out)
    write_songs(tmp_path, skipped={"x": "why"}, versions=found.versions)
    assert json.loads((tmp_path / "families.json").read_text()) == {"a": ["a", "c"]}
    assert json.loads((tmp_path / "skipped.json").read_text()) == {"x": "why"}


# POP909 -------------------------------------------------------------------------------------------------------------

KNOWN = [("017", "018"), ("101", "103"), ("262", "805"), ("492", "666")]


@pytest.fixture(scope="module")
def pop(pop909_root):
    return pop909.read(pop909_root)


def test_pop909_s_versions_are_found_and_no_two_lie_in_two_splits(pop):
    print(*(" = ".join(songs) for songs in pop.versions.values()), sep="\n")
    assert [tuple(songs) for songs in pop.versions.values()] == KNOWN
    assert [pop.families[pop.songs.index(name)] for name, _ in KNOWN] == [name for name, _ in KNOWN]
    crossed = 0
    for seed in range(30):
        member = {pop.songs[k]: split for split in splits.SPLITS
                  for k in splits.select(pop, np.arange(len(pop.songs)), split, seed)}
        assert all(member[one] == member[other] for one, other in KNOWN)
        crossed += sum(splits.of_song(one, seed) != splits.of_song(other, seed) for one, other in KNOWN)
    assert crossed > 10, "by their own names they did"


def test_pop909_s_versions_share_far_more_than_other_songs_do(pop):
    """What near_duplicates.SHARE was chosen by; with pytest -s it prints the pairs that share most."""
    known, found = NearDuplicates(), []
    own = dict(zip(pop.songs, map(near_duplicates.phrases, split_songs(pop.arrays["melody"], pop.first_beat)),
                   strict=True))
    for name, phrases in own.items():
        found += [(shared / min(len(phrases), len(own[other])), other, name)
                  for other, shared in known.shared(phrases).items()]
        known.add(name, phrases)
    found.sort(reverse=True)
    print(*(f"{one} {other}: {share:.0%}" for share, one, other in found[:10]), sep="\n")
    assert sorted((one, other) for _, one, other in found[:4]) == KNOWN
    assert found[3][0] > 0.3 and found[4][0] < 0.06
