"""Small sources for the fuzzing script: of every kind of file a few, made by the tests' own hands."""

import atexit
import functools
import io
import json
import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np


@functools.cache
def scratch() -> Path:
    """A folder for what is written again and again."""
    folder = tempfile.mkdtemp(prefix="musicfusion-fuzz-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def midi_seeds() -> list[bytes]:
    from midi_bytes import END, control, exclusive, meta, note, program, song, track

    tempo, metre = meta(0x51, b"\x07\xa1\x20"), meta(0x58, b"\3\2\x18\x08")
    drums = control(0, 120, 10) + program(0, 10) + note(36, 10)
    sung = meta(3, "メロディー".encode("cp932")) + meta(5, b"la") + note() + meta(1, b"@KMIDI")
    return [
        song(track(tempo + metre + END), track(note() + note(64, 2) + END), track(drums + END)),
        song(track(sung + END), kind=2, announced=7),
        song(track(exclusive(b"\x41\x10\x42\x12\x40\x1a\x15\x02\x0f") + control(7, 0) + note(1, 9) + END), kind=0),
        song(track(control(64, 99) + b"\0\x90\x3c\x50\x30\x3c\0" + control(64, 0) + END), division=0xE728),
        b"RIFF\x64\0\0\0RMIDdata\x50\0\0\0" + song(track(note() + END)),
        chorale("midi"),
    ]


def chorale(form: str) -> bytes:
    """The first quarters of a chorale of the embedded corpus, as a file."""
    from musicfusion.codecs import midi, musicxml, musicxml_write, score
    from musicfusion.data.chorales import song_files

    root = musicxml.document(song_files()[0])
    starts = musicxml.bars(root)[0]
    parts = [musicxml.notes(part.element, starts) for part in musicxml.parts(root)[:2]]
    begin = min(own[0, 0] for own in parts)
    tracks = tuple(
        score.Track(f"voice {k}", 52, False, np.array([
            ((onset - begin) / 4, duration / 4, pitch, 80) for onset, duration, pitch in own.tolist()
            if onset < begin + 5]))
        for k, own in enumerate(parts))
    write = {"midi": midi.write, "musicxml": musicxml_write.write}[form]
    write(scratch() / f"a.{form}", score.Score(tracks, np.array([[0.0, 90.0]]), ((0.0, 4, 4),), "chorale"))
    return (scratch() / f"a.{form}").read_bytes()


def musicxml_seeds() -> list[bytes]:
    from musicxml_text import attributes, line, note, score

    repeated = ('<barline location="left"><repeat direction="forward"/></barline>' + line("C4:48")
                + '<barline location="right"><ending number="1" type="stop"/><repeat direction="backward"/></barline>')
    turned = '<transpose><chromatic>-2</chromatic><octave-change>-1</octave-change></transpose>'
    texts = [
        score([attributes("4/4") + line("C4:24", "E4:24:start"), line("E4:24:stop", ":24"), repeated]),
        score([attributes("3/4", turned) + note("C#4", 36, "<lyric><text>la</text></lyric>")],
              [attributes("3/4") + line("C3:12") + note("E3", 12, chord=True)
               + "<backup><duration>12</duration></backup>" + note("G2", 36, voice=2)]),
    ]
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("META-INF/container.xml",
                         '<container><rootfiles><rootfile full-path="a.xml"/></rootfiles></container>')
        archive.writestr("a.xml", texts[0])
    return [*(text.encode() for text in texts), texts[1].encode("utf-16"), zipped.getvalue(), chorale("musicxml")]


def kern_seeds() -> list[bytes]:
    two = ('**kern\t**kern\n*I"A\t*\n*M4/4\t*M4/4\n*MM90\t*MM90\n=1\t=1\n4c\t2C\n4d\t.\n8qe\t.\n[2e\t2D\n'
           "=2:|!|:\t=2:|!|:\n2e]\t1E\n2r\t.\n=:|!\t=:|!\n*\t*^\n4c\t4c\t2e\n4d\t4d\t.\n2f\t2f\t2a\n*\t*v\t*v\n==\t==\n*-\t*-\n")
    return [two.encode(), b"!!!OTL: A\n**kern\n*M3/4\n*k[b-]\n{4f\n8.g\n16a}\n=\n2.b-\n*-\n",
            b"**kern\t**text\n*M4/4\t*\n4c\tla\n12d\tlo\n12e\t.\n12f\t.\n==\t==\n*-\t*-\n"]


def abc_seeds() -> list[bytes]:
    two = ('X:1\nT:A\nM:4/4\nL:1/8\nQ:1/4=90\nK:G\nV:1 name="A"\n"Am"A>B c<d|:(3abc ef {g}e4|1g8:|2a8|]\n'
           "V:2\nz4|c8|d8|e8|]\n")
    return [two.encode(),
            b"X:1\nM:6/8\nL:1/8\nK:Dmix\n%%MIDI program 40\nD2F A2d|[M:3/4][K:A]c'2 B,2 ^G=g|[ceg]4-[ceg]2||\n",
            b"X:1\nT:B\nM:C|\nK:C\nc/d//e3/2 z2 (5cdefg .a~b!f!c'\nw:la la\nX:2\nK:C\nc\n"]


def chart_seeds() -> list[bytes]:
    return [b"title: Autumn\ntempo: 96\ntime: 3/4\npattern: stride\n|: C | Am7 | F G7 :| x2\nC/E | % | N.C. . G\n",
            b"{title: A}\n{start_of_verse}\n[F#m7b5]la [Bbmaj7/D]la\n{end_of_verse}\n",
            b"time: 6/8\npattern: arpeggio\nC:min7/b3 . D:sus4(9)\nEb13#11 Ao7 Gaug\n"]


def audio_seeds() -> list[bytes]:
    from sounds import encode, plucked

    wave = plucked(8000)[:800]
    forms = [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "ULAW"), ("RF64", "PCM_24"), ("W64", "PCM_16"),
             ("AIFF", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"),
             ("AU", "PCM_16"), ("CAF", "PCM_16")]
    files = [encode(wave, 8000, form, depth) for form, depth in forms]
    at = files[0].index(b"data")
    return [*files, files[0][: at + 4] + bytes(4) + files[0][at + 8 :], b"ID3\3\0\0\0\0\0\x0a" + bytes(10) + files[-3]]


def config_seeds() -> list[bytes]:
    lines = [b"--config=configs/collagenet.py:quick\n--config.fusion.steps=9\n--mode=train\n--workdir=a",
             b"--config\nconfigs/musae.py\n--config.data.root=a,b\n--config.seed\n3\n--config.run.parallel=pmap",
             b"--config=configs/arrangement.py\n--config.train.batch=1e3\n--config.run.init=",
             b"--mode=sample\n--inputs=melody=a,b.mid,accompaniment=c.mid\n--controls=pitch=0.5:0.7\n--seed=7"]
    return [*lines, b'{"system": "musae", "preset": "lite", "seed": 0, "run": {"init": "", "old": 3}, "train": {}}']


def weights_seeds(between: bytes) -> list[bytes]:
    from safetensors.numpy import save

    from musicfusion.pretrained import FORMAT

    arrays = {"vae/encoder/kernel": np.ones((16, 32), np.float16), "vae/encoder/bias": np.zeros(3, np.float32),
              "fusion/actor/scale": np.float32([1])}
    manifest = {"format": FORMAT, "system": "musae", "source": "songs", "licence": "MIT",
                "stages": {"vae": 100, "fusion": 7}, "sha256": {"config.json": "CONFIG-HASH",
                                                               "model.safetensors": "WEIGHTS-HASH"}}
    one = {"vae": np.zeros((), np.float64)}
    return [between.join([json.dumps(manifest | more).encode(), b'{"system": "musae", "preset": "lite"}', save(own)])
            for more, own in (({}, arrays), ({"stages": {"vae": 1}}, one))]
