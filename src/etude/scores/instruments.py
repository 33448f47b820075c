"""Instruments: General MIDI programs and drum keys, by name, by the codes of Humdrum, by the place on the staff."""

import re
from functools import lru_cache

SNARE = 38  # where a place on the staff means no drum
# The usual places on a percussion staff, where a file states no MIDI number (Weinberg, Guidelines for Drumset Notation)
KIT = {
    "D4": 44, "E4": 35, "F4": 36, "G4": 43, "A4": 41, "B4": 45, "C5": 38, "D5": 47, "E5": 48, "F5": 51, "G5": 42,
    "A5": 49, "B5": 57,
}  # fmt: skip
# The codes of *I: name and General MIDI program, from 0
INSTRUMENTS = {
    "piano": ("Piano", 0), "forte": ("Fortepiano", 0), "rhode": ("Electric Piano", 4), "cemba": ("Harpsichord", 6),
    "clavi": ("Clavichord", 7), "clest": ("Celesta", 8), "glock": ("Glockenspiel", 9), "vibra": ("Vibraphone", 11),
    "marim": ("Marimba", 12), "xylo": ("Xylophone", 13), "campn": ("Bells", 14), "chime": ("Chimes", 14),
    "caril": ("Carillon", 14), "dulc": ("Dulcimer", 15), "zithr": ("Zither", 15), "psalt": ("Psaltery", 15),
    "hammd": ("Hammond Organ", 16), "organ": ("Organ", 19), "porta": ("Portative Organ", 19),
    "reedo": ("Reed Organ", 20), "physh": ("Physharmonica", 20), "accor": ("Accordion", 21),
    "ctina": ("Concertina", 21), "armon": ("Harmonica", 22), "sheng": ("Sheng", 22), "sho": ("Sho", 22),
    "bando": ("Bandoneon", 23), "guitr": ("Guitar", 24), "liuto": ("Lute", 24), "archl": ("Archlute", 24),
    "tiorb": ("Theorbo", 24), "quitr": ("Gittern", 24), "cetra": ("Cittern", 25), "ud": ("Oud", 24),
    "ukule": ("Ukulele", 24), "mando": ("Mandolin", 25), "eguit": ("Electric Guitar", 27),
    "bguit": ("Electric Bass", 33), "violn": ("Violin", 40), "violp": ("Violino Piccolo", 40), "viola": ("Viola", 41),
    "viold": ("Viola d'amore", 41), "viols": ("Treble Viol", 41), "violt": ("Tenor Viol", 42),
    "violb": ("Bass Viol", 42), "cello": ("Cello", 42), "cbass": ("Contrabass", 43), "arpa": ("Harp", 46),
    "timpa": ("Timpani", 47), "vox": ("Voice", 52), "feme": ("Female Voice", 52), "male": ("Male Voice", 52),
    "nfant": ("Child's Voice", 52), "recit": ("Recitativo", 52), "soprn": ("Soprano", 52), "cant": ("Cantus", 52),
    "canto": ("Cantus", 52), "lyrsp": ("Soprano", 52), "drmsp": ("Soprano", 52), "colsp": ("Soprano", 52),
    "mezzo": ("Mezzo-soprano", 52), "alto": ("Alto", 52), "calto": ("Alto", 52), "ctenor": ("Countertenor", 52),
    "castr": ("Castrato", 52), "false": ("Falsetto", 52), "tenor": ("Tenor", 52), "lyrtn": ("Tenor", 52),
    "heltn": ("Tenor", 52), "barit": ("Baritone", 52), "bass": ("Bass", 52), "bspro": ("Bass", 52),
    "bscan": ("Bass", 52), "quinto": ("Quintus", 52), "coro": ("Choir", 52), "tromp": ("Trumpet", 56),
    "clrno": ("Clarino", 56), "cornt": ("Cornet", 56), "corno": ("Cornett", 56), "flugh": ("Flugelhorn", 56),
    "sxhS": ("Soprano Saxhorn", 56), "tromt": ("Trombone", 57), "tromb": ("Bass Trombone", 57),
    "sxhT": ("Tenor Saxhorn", 57), "sxhR": ("Baritone Saxhorn", 57), "tuba": ("Tuba", 58), "ophic": ("Ophicleide", 58),
    "serp": ("Serpent", 58), "sxhB": ("Bass Saxhorn", 58), "sxhC": ("Contrabass Saxhorn", 58), "cor": ("Horn", 60),
    "sxhA": ("Alto Saxhorn", 60), "saxN": ("Sopranino Saxophone", 64), "saxS": ("Soprano Saxophone", 64),
    "saxA": ("Alto Saxophone", 65), "saxT": ("Tenor Saxophone", 66), "saxR": ("Baritone Saxophone", 67),
    "saxB": ("Bass Saxophone", 67), "saxC": ("Contrabass Saxophone", 67), "oboe": ("Oboe", 68),
    "oboeD": ("Oboe d'amore", 68), "cangl": ("English Horn", 69), "fagot": ("Bassoon", 70),
    "fag_c": ("Contrabassoon", 70), "sarus": ("Sarrusophone", 70), "rackt": ("Racket", 70), "clars": ("Clarinet", 71),
    "clarp": ("Piccolo Clarinet", 71), "clara": ("Alto Clarinet", 71), "clarb": ("Bass Clarinet", 71),
    "baset": ("Basset Horn", 71), "calam": ("Chalumeau", 71), "picco": ("Piccolo", 72), "fife": ("Fife", 72),
    "flt": ("Flute", 73), "flt_a": ("Alto Flute", 73), "flt_b": ("Bass Flute", 73), "bansu": ("Bansuri", 73),
    "fltdn": ("Sopranino Recorder", 74), "fltds": ("Recorder", 74), "fltda": ("Alto Recorder", 74),
    "fltdt": ("Tenor Recorder", 74), "fltdb": ("Bass Recorder", 74), "panpi": ("Panpipe", 75),
    "shaku": ("Shakuhachi", 77), "nokan": ("Nokan", 77), "ocari": ("Ocarina", 79), "synth": ("Synthesizer", 81),
    "calpe": ("Calliope", 82), "sitar": ("Sitar", 104), "sarod": ("Sarod", 104), "vina": ("Vina", 104),
    "tambu": ("Tambura", 104), "tanbr": ("Tanbur", 104), "banjo": ("Banjo", 105), "shami": ("Shamisen", 106),
    "biwa": ("Biwa", 106), "pipa": ("Pipa", 106), "koto": ("Koto", 107), "komun": ("Geomungo", 107),
    "qin": ("Qin", 107), "bagpS": ("Bagpipe", 109), "bagpI": ("Bagpipe", 109), "cornm": ("Bagpipe", 109),
    "hurdy": ("Hurdy-gurdy", 110), "rebec": ("Rebec", 110), "kit": ("Kit", 110), "kokyu": ("Kokyu", 110),
    "chlms": ("Shawm", 111), "chlma": ("Alto Shawm", 111), "chlmt": ("Tenor Shawm", 111), "zurna": ("Zurna", 111),
    "hichi": ("Hichiriki", 111), "piri": ("Piri", 111), "krums": ("Crumhorn", 111), "kruma": ("Alto Crumhorn", 111),
    "krumt": ("Tenor Crumhorn", 111), "krumb": ("Bass Crumhorn", 111), "steel": ("Steel Drums", 114),
}  # fmt: skip
# Those without a pitch: name and key in the General MIDI drum kit; None: a kit, whose keys are places on the staff
PERCUSSION = {
    "drmset": ("Drums", None), "perc": ("Percussion", None), "bdrum": ("Bass Drum", 36), "sdrum": ("Snare Drum", 38),
    "drum": ("Drum", 38), "drumS": ("Small Drum", 38), "drumP": ("Small Drum", 38), "tdrum": ("Tenor Drum", 41),
    "tom": ("Tom-tom", 47), "clap": ("Hand Clap", 39), "crshc": ("Crash Cymbal", 49), "piatt": ("Cymbals", 49),
    "ridec": ("Ride Cymbal", 51), "gong": ("Gong", 52), "tambn": ("Tambourine", 54), "spshc": ("Splash Cymbal", 55),
    "bongo": ("Bongo", 60), "tabla": ("Tabla", 61), "conga": ("Conga", 63), "marac": ("Maracas", 70),
    "clave": ("Claves", 75), "fingc": ("Finger Cymbals", 80), "trngl": ("Triangle", 81), "casts": ("Castanets", 85),
}  # fmt: skip


# Names that General MIDI knows and music21 does not, or takes for another
NAMES = {
    "bass guitar": 33, "electric guitar": 27, "mandolin": 25, "ukulele": 24, "fiddle": 40, "corno ing": 69,
    "corn[oi]": 60, "euphonium": 58, "sopran.* sax": 64, "tenor.* sax": 66, "bari.* sax": 67,
}  # fmt: skip
# Keys of the General MIDI drum kit, the more special names first
DRUM_NAMES = {
    "bass drum": 36, "gran cassa": 36, "kick": 36, "snare": 38, "side stick": 37, "rim": 37, "tenor drum": 41,
    "tom": 47, "open hi": 46, "pedal hi": 44, "hi.?hat": 42, "ride": 51, "crash": 49, "splash": 55, "china": 52,
    "gong": 52, "tam.tam": 52, "finger cym": 80, "cymbal": 49, "piatti": 49, "tambourin": 54,
    "cow.?bell": 56, "clap": 39, "bongo": 60, "conga": 63, "timbale": 65, "agogo": 67, "cabasa": 69, "maraca": 70,
    "guiro": 73, "clave": 75, "wood.?block": 76, "triang": 81, "castan": 85,
}  # fmt: skip


def _named(names: dict[str, int], name: str) -> int | None:
    return next((found for start, found in names.items() if re.search(rf"\b{start}", name, re.IGNORECASE)), None)


@lru_cache(maxsize=1024)
def drum_of(*names: str) -> int | None:
    """The key in the General MIDI drum kit of an instrument by its names; ``None`` where none is known."""
    return next((key for name in names if (key := _named(DRUM_NAMES, name)) is not None), None)


@lru_cache(maxsize=1024)
def program_of(*names: str | None) -> int:
    """The General MIDI program of an instrument by its name; 0 where none is known."""
    from music21 import instrument  # a second; only for files that state no program

    for name in filter(None, names):
        program = _named(NAMES, name)
        if program is not None:
            return program
        try:
            return int(instrument.fromString(name).midiProgram or 0)
        except Exception:  # music21 raises what it meets; the name is no instrument then
            continue
    return 0
