// Pieces as the server writes them: bars, beats, seconds and the names of notes.

const FIFTHS = "FCGDAEB";
export const QUARTER = 24; // ticks of melodies that are drawn or played here

export function emptyMelody(tempo, meter) {
  const [beats, unit] = meter;
  return {
    quarter: QUARTER,
    tempos: [[0, tempo]],
    meters: [[0, beats, unit]],
    keys: [],
    marks: [],
    tracks: [{ name: "Melody", program: 73, drums: false, notes: [] }],
  };
}

export function endOf(piece) {
  let end = 0;
  for (const track of piece.tracks) for (const [tick, length] of track.notes) end = Math.max(end, tick + length);
  return end;
}

// The bars of a piece as [start, end, beats, unit], as the server counts them.
export function barsOf(piece, least = 1) {
  const signs = [...piece.meters].sort((a, b) => a[0] - b[0]);
  const end = endOf(piece);
  let [beats, unit, place, start] = [4, 4, 0, 0];
  const bars = [];
  while (start < end || bars.length < least) {
    while (place < signs.length && signs[place][0] <= start) [, beats, unit] = signs[place++];
    let stop = start + Math.max(1, Math.floor((4 * piece.quarter * beats) / unit));
    const change = place < signs.length ? signs[place][0] : stop;
    if (change < stop && (change < end || bars.length + 1 < least)) stop = change;
    bars.push([start, stop, beats, unit]);
    start = stop;
  }
  return bars;
}

export function secondsOf(piece, tick) {
  const tempos = [...piece.tempos].sort((a, b) => a[0] - b[0]);
  let [seconds, at, tempo] = [0, 0, 120];
  for (const [start, own] of tempos) {
    if (start >= tick) break;
    seconds += ((start - at) / piece.quarter) * (60 / tempo);
    [at, tempo] = [start, own];
  }
  return seconds + ((tick - at) / piece.quarter) * (60 / tempo);
}

export function tickOf(piece, seconds) {
  const tempos = [...piece.tempos].sort((a, b) => a[0] - b[0]);
  let [passed, at, tempo] = [0, 0, 120];
  for (const [start, own] of tempos) {
    const until = passed + ((start - at) / piece.quarter) * (60 / tempo);
    if (until >= seconds) break;
    [passed, at, tempo] = [until, start, own];
  }
  return at + ((seconds - passed) * tempo * piece.quarter) / 60;
}

export function placeOf(bars, tick) {
  const found = bars.findIndex(([start, end]) => start <= tick && tick < end);
  const number = found < 0 ? bars.length - 1 : found;
  const [start, end, beats] = bars[number];
  const beat = 1 + ((tick - start) * beats) / (end - start);
  return [number + 1, beat];
}

export function sayPlace(bars, tick) {
  const [bar, beat] = placeOf(bars, tick);
  return `bar ${bar}, beat ${Number(beat.toFixed(2))}`;
}

// The key in which a piece starts, as far as it states one.
export function keyOf(piece) {
  const [, sharps, minor] = [...piece.keys].sort((a, b) => a[0] - b[0])[0] ?? [0, 0, 0];
  return { sharps, mode: minor ? "minor" : "major" };
}

// The name of a note in a key: from the twelve fifths that start three below the major tonic, two in minor, as in scores.
export function noteName(pitch, { sharps, mode } = { sharps: 0, mode: "major" }) {
  const lowest = sharps - (mode === "minor" ? 2 : 3);
  const place = ((((pitch * 7 - lowest) % 12) + 12) % 12) + lowest; // on the line of fifths, where C is 0
  const accidentals = Math.floor((place + 1) / 7);
  const octave = Math.floor((pitch - accidentals) / 12) - 1; // of the natural: C flat is in the octave below its sound
  return `${FIFTHS[(((place + 1) % 7) + 7) % 7]}${"♯".repeat(Math.max(0, accidentals))}${"♭".repeat(Math.max(0, -accidentals))}${octave}`;
}

export function sayLength(length, quarter) {
  const quarters = length / quarter;
  const names = { 0.25: "sixteenth", 0.5: "eighth", 0.75: "dotted eighth", 1: "quarter", 1.5: "dotted quarter" };
  Object.assign(names, { 2: "half note", 3: "dotted half note", 4: "whole note" });
  return names[quarters] ?? `${Number(quarters.toFixed(2))} quarters`;
}

export function copy(value) {
  return JSON.parse(JSON.stringify(value));
}

export function fileName(title, ending) {
  const plain = title.replace(/[^\p{L}\p{N}._-]+/gu, "_").replace(/^[._]+|[._]+$/g, "");
  return `${plain || "piece"}${ending}`;
}
