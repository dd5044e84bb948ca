"""MusicXML written by hand: what tests of its reader, and of corpora in it, share."""

DIVISIONS = 12  # of a quarter: eighths are 6, triplets of eighths 4


def note(pitch: str, length: int, extra: str = "", *, tie: str = "", chord: bool = False, voice: int = 1) -> str:
    """A note such as "C#4", or a rest where pitch is ""; ties: "start", "stop" or "stop start"."""
    sign = {"#": "<alter>1</alter>", "b": "<alter>-1</alter>"}.get(pitch[1:2], "")
    sound = f"<pitch><step>{pitch[0]}</step>{sign}<octave>{pitch[-1]}</octave></pitch>" if pitch else "<rest/>"
    ties = "".join(f'<tie type="{kind}"/>' for kind in tie.split())
    return (f"<note>{'<chord/>' if chord else ''}{sound}<duration>{length}</duration>{ties}<voice>{voice}</voice>"
            f"{extra}</note>")


def line(*notes: str) -> str:
    """Notes as "C4:12", "C4:12:start"; rests as ":12"."""
    return "".join(note(pitch, int(length), tie=" ".join(tie)) for pitch, length, *tie in (x.split(":") for x in notes))


def attributes(time: str = "", transpose: str = "", divisions: int = DIVISIONS) -> str:
    beats, _, kind = time.rpartition("/")
    metre = f"<time><beats>{beats}</beats><beat-type>{kind}</beat-type></time>" if time else ""
    return f"<attributes><divisions>{divisions}</divisions>{metre}{transpose}</attributes>"


def score(*parts: list[str], names: tuple[str, ...] = ("Voice", "Piano", "Viola")) -> str:
    """A document; each part is a list of measures."""
    listed = "".join(f'<score-part id="P{k}"><part-name>{name}</part-name></score-part>'
                     for k, name in zip(range(len(parts)), names, strict=False))
    bars = ["".join(f'<measure number="{n}">{bar}</measure>' for n, bar in enumerate(part)) for part in parts]
    written = "".join(f'<part id="P{k}">{own}</part>' for k, own in enumerate(bars))
    return f"<score-partwise><part-list>{listed}</part-list>{written}</score-partwise>"
