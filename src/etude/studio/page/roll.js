// The piano roll: notes over time, by pointer and by keyboard, with chords below. It draws what is in view.

import { button, el, newId } from "./dom.js";
import { barsOf, endOf, keyOf, noteName, placeOf, sayLength, sayPlace } from "./piece.js";

const NARROW = 40; // pixels of a quarter note, at least
const WIDE = 76; // and at most
const ZOOMS = [0.5, 1, 1.6, 2.5, 4]; // factors of that
const HEIGHT = 360; // of all rows, about
const ROWS = 24; // pitches in view at least
const GUTTER = 40; // pixels of the names of notes
const RULER = 20; // pixels of the numbers of bars
const EDGE = 7; // pixels at the end of a note by which it is made longer
const STILL = 6; // pixels that a press may move and still is none
const BLACK = new Set([1, 3, 6, 8, 10]);
const COLOURS = 8;

const HELP = {
  draw:
    "Arrow keys move the cursor, Enter puts a note or takes it away, Shift with left and right changes its length, Shift with up and down its pitch. Page up and page down move by a bar.",
  voices:
    "Left and right go from note to note, up and down to another voice. Shift with up and down changes the pitch, L locks the note or frees it.",
  bars: "Left and right move the selected bar, with Shift they select more bars. Control and A selects all.",
  view: "Left and right move by a bar.",
};

const FAMILY = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';
const CELL = 9; // pixels of a chord's cell beside its text
const SIZES = [12, 11, 10, 9]; // pixels of its text
const ruler = document.createElement("canvas").getContext("2d");

export function chordFont(size, strong) {
  return `${strong ? 700 : 400} ${size}px ${FAMILY}`;
}

export function textWidth(text, size, strong) {
  ruler.font = chordFont(size, strong);
  return Math.ceil(ruler.measureText(text).width);
}

// What is written in the cells of successive chords, so that no name is cut: name over numeral, smaller where they need it,
// or the name alone, or a name over its bass. Where that is too long, it runs over the next cells, which stay empty.
// A cell has `name`, `roman`, the `room` of its text and the `step` to the next cell in pixels; for each there is the
// `size`, the `lines` as [text, strong], and what is `left` out.
export function chordTexts(cells) {
  const made = [];
  for (let place = 0; place < cells.length; place += 1) {
    let room = cells[place].room;
    let last = place;
    let found = fitted(cells[place], room);
    while (!found && last + 1 < cells.length && last < place + 2) {
      room += cells[last].step;
      last += 1;
      found = fitted(cells[place], room);
    }
    const all = ({ name, roman }) => `${name} ${roman}`;
    if (!found) last = place;
    made.push(found ?? { size: SIZES[0], lines: [], left: all(cells[place]) });
    while (place < last) made.push({ size: SIZES[0], lines: [], left: all(cells[(place += 1)]), under: true });
  }
  return made;
}

function fitted({ name, roman }, room) {
  const bass = name.indexOf("/") + 1;
  const both = [[name, true], [roman, false]];
  const ways = [[both, ""], [[[name, true]], roman]];
  if (bass) ways.push([[[name.slice(0, bass), true], [name.slice(bass), true]], roman]);
  for (const [lines, left] of ways) {
    const size = SIZES.find((own) => lines.every(([text, strong]) => textWidth(text, own, strong) <= room));
    if (size) return { size, lines, left };
  }
  return null;
}

export class Roll {
  // `hear` has the functions change(piece), pick(track, note), pitch(track, note, pitch), lock(track, note), range(first, last).
  constructor(label, mode, hear, say) {
    Object.assign(this, { mode, hear, say, piece: null, bars: [], chords: [], locked: new Set(), selected: null });
    Object.assign(this, { cursor: { tick: 0, pitch: 67 }, range: null, grid: 12, playing: null, rows: [48, 84] });
    this.help = el("p", { class: "sr", id: newId("help"), text: HELP[mode] });
    this.canvas = el("canvas", {
      tabIndex: 0,
      role: "application",
      "aria-label": label,
      "aria-roledescription": "piano roll",
      "aria-describedby": this.help.id,
    });
    this.gutter = el("canvas", { class: "gutter", "aria-hidden": "true" });
    this.strip = el("ol", { class: "chords", "aria-label": "Chords" });
    this.space = el("div", { class: "space" }, this.canvas, this.strip);
    this.scroller = el("div", { class: "scroller" }, this.space);
    this.zoom = 1; // a place in ZOOMS
    this.zooms = el(
      "div",
      { class: "zooms" },
      button("+", () => this.changeZoom(1), { "aria-label": "Show less time, wider", title: "Wider" }),
      button("−", () => this.changeZoom(-1), { "aria-label": "Show more time, narrower", title: "Narrower" }),
    );
    const side = el("div", { class: "gutter-side" }, this.gutter, this.zooms);
    this.element = el("div", { class: "roll" }, side, this.scroller, this.help);
    this.scroller.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.layOut()).observe(this.element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    for (const name of ["focus", "blur"]) this.canvas.addEventListener(name, () => this.draw());
    this.canvas.addEventListener("pointerdown", (event) => this.down(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("pointerup", (event) => this.up(event));
    this.canvas.addEventListener("pointercancel", () => this.cancel());
    this.canvas.addEventListener("dblclick", (event) => this.twice(event));
  }

  // Show a piece. `chords` and `key` are those of the server; `locked` has "track:tick".
  show(piece, { bars = null, chords = [], locked = new Set(), key = null } = {}) {
    Object.assign(this, { piece, chords, locked, spelled: key ?? keyOf(piece) });
    this.bars = bars ?? barsOf(piece);
    const last = this.bars.at(-1);
    if (this.mode === "draw") this.bars = barsOf(piece, Math.max(4, placeOf(this.bars, endOf(piece))[0] + 1));
    this.end = this.mode === "draw" ? this.bars.at(-1)[1] : last[1];
    const pitches = piece.tracks.filter((track) => !track.drums).flatMap((track) => track.notes.map((note) => note[2]));
    let low = Math.min(...pitches, this.mode === "draw" ? 58 : 127) - 2;
    let high = Math.max(...pitches, this.mode === "draw" ? 82 : 0) + 2;
    if (!pitches.length && this.mode !== "draw") [low, high] = [55, 80];
    const more = Math.max(0, ROWS - (high - low + 1));
    this.rows = [Math.max(0, low - Math.floor(more / 2)), Math.min(127, high + Math.ceil(more / 2))];
    if (this.selected && !this.noteAt(this.selected)) this.selected = null;
    this.layOut();
  }

  layOut() {
    if (!this.piece) return;
    const view = this.scroller.clientWidth;
    if (!view) return;
    const quarters = this.end / this.piece.quarter;
    this.scale = (ZOOMS[this.zoom] * Math.min(WIDE, Math.max(NARROW, view / quarters))) / this.piece.quarter;
    const count = this.rows[1] - this.rows[0] + 1;
    this.row = Math.max(7, Math.min(14, Math.floor(HEIGHT / count)));
    this.height = RULER + count * this.row;
    this.space.style.width = `${Math.max(view, Math.ceil(this.end * this.scale))}px`;
    this.view = view;
    const ratio = devicePixelRatio || 1;
    for (const [canvas, width] of [[this.canvas, view], [this.gutter, GUTTER]]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(this.height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${this.height}px`;
    }
    const widths = this.chords.map(({ start, end }) => (end - start) * this.scale);
    const cells = this.chords.map((chord, place) => ({ ...chord, room: widths[place] - 2 - CELL, step: widths[place] }));
    const texts = chordTexts(cells);
    this.strip.replaceChildren(
      ...this.chords.map((chord, place) => {
        const { size, lines, left, under } = texts[place];
        const item = el(
          "li",
          { class: `chord degree-${chord.degree}${under ? " under" : ""}`, title: `${chord.name}, ${chord.roman}` },
          lines.map(([text, strong]) => el(strong ? "b" : "span", { text })),
          left && el("span", { class: "sr", text: left }),
        );
        item.style.left = `${chord.start * this.scale}px`;
        item.style.width = `${Math.max(8, widths[place] - 2)}px`;
        item.style.fontSize = `${size}px`;
        return item;
      }),
    );
    this.strip.hidden = this.zooms.hidden = !this.chords.length;
    this.draw();
  }

  changeZoom(by) {
    const middle = (this.scroller.scrollLeft + this.view / 2) / this.scale;
    this.zoom = Math.min(ZOOMS.length - 1, Math.max(0, this.zoom + by));
    this.layOut();
    this.scroller.scrollLeft = middle * this.scale - this.view / 2;
  }

  // The chord that sounds at a tick, as text.
  chordAt(tick) {
    const chord = this.chords.find(({ start, end }) => start <= tick && tick < end);
    return chord ? `${chord.name} (${chord.roman})` : "";
  }

  x(tick) {
    return tick * this.scale - this.scroller.scrollLeft;
  }

  y(pitch) {
    return RULER + (this.rows[1] - pitch) * this.row;
  }

  colours() {
    const style = getComputedStyle(this.element);
    const read = (name) => style.getPropertyValue(name).trim();
    const voices = Array.from({ length: COLOURS }, (_, place) => read(`--voice-${place}`));
    const names = ["paper", "ink", "soft", "line", "bar", "row", "select", "accent", "on-voice"];
    return { voices, ...Object.fromEntries(names.map((name) => [name, read(`--${name}`)])) };
  }

  draw() {
    if (!this.piece || !this.scale) return;
    const colour = this.colours();
    const ratio = devicePixelRatio || 1;
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = colour.paper;
    pen.fillRect(0, 0, this.view, this.height);
    for (let pitch = this.rows[0]; pitch <= this.rows[1]; pitch += 1) {
      if (BLACK.has(pitch % 12)) {
        pen.fillStyle = colour.row;
        pen.fillRect(0, this.y(pitch), this.view, this.row);
      }
      if (pitch % 12 === 0) {
        pen.fillStyle = colour.line;
        pen.fillRect(0, this.y(pitch) + this.row - 1, this.view, 1);
      }
    }
    if (this.mode === "bars" && this.range) {
      const [first, last] = this.range;
      pen.fillStyle = colour.select;
      const left = this.x(this.bars[first - 1][0]);
      pen.fillRect(left, 0, this.x(this.bars[last - 1][1]) - left, this.height);
    }
    pen.font = "600 11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    this.bars.forEach(([start, end, beats], place) => {
      if (this.x(end) < 0 || this.x(start) > this.view) return;
      for (let beat = 0; beat < beats; beat += 1) {
        pen.fillStyle = beat ? colour.line : colour.bar;
        pen.fillRect(Math.round(this.x(start + ((end - start) * beat) / beats)), beat ? RULER : 0, 1, this.height);
      }
      pen.fillStyle = colour.soft;
      pen.fillText(String(place + 1), this.x(start) + 5, RULER / 2 + 1);
    });
    pen.fillStyle = colour.bar;
    pen.fillRect(0, RULER - 1, this.view, 1);
    const several = this.piece.tracks.length > 1;
    this.piece.tracks.forEach((track, place) => {
      if (!track.drums) for (const note of track.notes) this.drawNote(pen, colour, track, place, note, several);
    });
    if (this.mode === "draw" && document.activeElement === this.canvas) {
      pen.strokeStyle = colour.accent;
      pen.lineWidth = 2;
      const { tick, pitch } = this.cursor;
      pen.strokeRect(this.x(tick) + 1, this.y(pitch) + 1, this.grid * this.gridScale() * this.scale - 2, this.row - 2);
    }
    if (this.playing !== null) {
      pen.fillStyle = colour.accent;
      pen.fillRect(Math.round(this.x(this.playing)) - 1, 0, 2, this.height);
    }
    this.drawGutter(colour, ratio);
  }

  drawNote(pen, colour, track, place, note, several) {
    const [tick, length, pitch] = note;
    const left = this.x(tick);
    const width = Math.max(3, length * this.scale - 1);
    if (left + width < 0 || left > this.view) return;
    const top = this.y(pitch);
    const sounds = this.playing !== null && tick <= this.playing && this.playing < tick + length;
    const isLocked = this.locked.has(`${place}:${tick}`);
    const isPicked = this.selected && this.selected.track === place && this.selected.tick === tick;
    pen.fillStyle = colour.voices[place % COLOURS];
    pen.beginPath();
    pen.roundRect(left, top + 0.5, width, this.row - 1, Math.min(3, this.row / 3));
    pen.fill();
    if (isLocked || isPicked || sounds) {
      pen.strokeStyle = isPicked ? colour.accent : colour.ink;
      pen.lineWidth = isPicked ? 3 : 2;
      pen.stroke();
    }
    if (width > 13 && this.row >= 9 && (several || isLocked)) {
      pen.fillStyle = colour["on-voice"];
      pen.font = `700 ${this.row - 2}px system-ui, sans-serif`;
      const text = (several ? (track.name || "?")[0] : "") + (isLocked ? " locked" : "");
      pen.save();
      pen.beginPath();
      pen.rect(left, top, width, this.row);
      pen.clip();
      pen.fillText(text.trim(), left + 4, top + this.row / 2 + 0.5);
      pen.restore();
    }
  }

  drawGutter(colour, ratio) {
    const pen = this.gutter.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = colour.paper;
    pen.fillRect(0, 0, GUTTER, this.height);
    pen.textBaseline = "middle";
    for (let pitch = this.rows[0]; pitch <= this.rows[1]; pitch += 1) {
      pen.fillStyle = BLACK.has(pitch % 12) ? colour.bar : colour.paper;
      pen.fillRect(GUTTER - 10, this.y(pitch), 10, this.row);
      if (pitch % 12 === 0 || (pitch % 12 === 7 && this.row > 8)) {
        pen.fillStyle = colour.soft;
        pen.font = `${pitch % 12 ? 400 : 600} 10px system-ui, sans-serif`;
        pen.fillText(noteName(pitch, this.spelled), 4, this.y(pitch) + this.row / 2);
      }
    }
    pen.fillStyle = colour.bar;
    pen.fillRect(GUTTER - 1, 0, 1, this.height);
    pen.fillRect(0, RULER - 1, GUTTER, 1);
  }

  // The tick that is heard now; null where nothing plays.
  play(tick) {
    if (tick === this.playing) return;
    this.playing = tick;
    if (tick !== null && this.scale) {
      const x = this.x(tick);
      if (x < 0 || x > this.view - 24) this.scroller.scrollLeft = Math.max(0, tick * this.scale - 60);
    }
    this.draw();
  }

  gridScale() {
    return this.piece.quarter / 24; // the grid is in 24ths of a quarter note
  }

  get step() {
    return Math.max(1, Math.round(this.grid * this.gridScale()));
  }

  noteAt({ track, tick }) {
    return this.piece.tracks[track]?.notes.find((note) => note[0] === tick);
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const tick = (event.clientX - box.left + this.scroller.scrollLeft) / this.scale;
    const pitch = this.rows[1] - Math.floor((event.clientY - box.top - RULER) / this.row);
    return { tick, pitch: Math.min(this.rows[1], Math.max(this.rows[0], pitch)), ruler: event.clientY - box.top < RULER };
  }

  hit({ tick, pitch }) {
    for (let place = 0; place < this.piece.tracks.length; place += 1) {
      const track = this.piece.tracks[place];
      if (track.drums) continue;
      const note = track.notes.find(([start, length, own]) => own === pitch && start <= tick && tick < start + length);
      if (note) return { track: place, note };
    }
    return null;
  }

  barAt(tick) {
    return placeOf(this.bars, Math.min(Math.max(0, tick), this.end - 1))[0];
  }

  down(event) {
    if (event.button || !this.piece) return;
    const place = this.at(event);
    const found = this.hit(place);
    this.drag = { x: event.clientX, y: event.clientY, place, found, moved: false, touch: event.pointerType === "touch" };
    if (this.drag.touch) return; // it may be a scroll: a tap counts when it ends
    this.canvas.setPointerCapture(event.pointerId);
    this.press();
  }

  press() {
    const { place, found, touch } = this.drag;
    if (this.mode === "draw") {
      if (found) {
        this.drag.resize = !touch && place.tick > found.note[0] + found.note[1] - EDGE / this.scale && found.note[1] * this.scale > 3 * EDGE;
        this.drag.was = this.selected?.tick === found.note[0];
        this.selected = { track: 0, tick: found.note[0] };
        this.cursor = { tick: found.note[0], pitch: found.note[2] };
        this.drag.grip = place.tick - found.note[0];
      } else {
        this.cursor = { tick: Math.floor(place.tick / this.step) * this.step, pitch: place.pitch };
        this.put();
        this.drag.found = { track: 0, note: this.noteAt({ track: 0, tick: this.cursor.tick }) };
        this.drag.resize = true;
        this.drag.fresh = true;
      }
    } else if (this.mode === "voices") this.pick(found && { track: found.track, tick: found.note[0] });
    else if (this.mode === "bars") {
      const bar = this.barAt(place.tick);
      this.drag.bar = bar;
      const inside = this.range && this.range[0] <= bar && bar <= this.range[1];
      if (touch && this.range && !inside) this.setRange(Math.min(bar, this.range[0]), Math.max(bar, this.range[1]));
      else this.setRange(bar, bar);
    }
    this.draw();
  }

  move(event) {
    const { drag } = this;
    if (!drag || drag.touch) return;
    if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > STILL) drag.moved = true;
    if (!drag.moved) return;
    const place = this.at(event);
    if (this.mode === "bars") {
      const bar = this.barAt(place.tick);
      this.setRange(Math.min(bar, drag.bar), Math.max(bar, drag.bar));
    } else if (this.mode === "voices" && drag.found) {
      const { track, note } = drag.found;
      if (place.pitch !== note[2] && this.hear.pitch?.(track, note, place.pitch)) {
        drag.found = { track, note: this.noteAt({ track, tick: note[0] }) };
      }
    } else if (this.mode === "draw" && drag.found?.note) this.dragNote(place);
  }

  dragNote(place) {
    const { drag } = this;
    const [start, length, pitch, velocity] = drag.found.note;
    let changed;
    if (drag.resize) {
      const end = Math.ceil((place.tick - start) / this.step) * this.step;
      changed = [start, Math.max(this.step, end), pitch, velocity];
    } else {
      const tick = Math.max(0, Math.round((place.tick - drag.grip) / this.step) * this.step);
      changed = [tick, length, place.pitch, velocity];
    }
    if (String(changed) === String(drag.found.note)) return;
    this.replace(drag.found.note, changed);
    drag.found = { track: 0, note: this.noteAt({ track: 0, tick: changed[0] }) };
  }

  up(event) {
    const { drag } = this;
    this.drag = null;
    if (!drag) return;
    if (drag.touch) {
      if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > STILL) return;
      this.drag = drag;
      this.press();
      this.drag = null;
      if (this.mode === "draw" && drag.was) this.remove();
    }
    if (this.mode === "draw") this.tell();
  }

  cancel() {
    this.drag = null;
  }

  twice(event) {
    if (this.mode !== "draw") return;
    const found = this.hit(this.at(event));
    if (!found) return;
    this.cursor = { tick: found.note[0], pitch: found.note[2] };
    this.remove();
  }

  pick(place) {
    this.selected = place;
    const note = place && this.noteAt(place);
    this.hear.pick?.(place?.track ?? null, note ?? null);
    if (note) {
      const { name } = this.piece.tracks[place.track];
      const held = this.locked.has(`${place.track}:${place.tick}`) ? ", locked" : "";
      this.say(`${name}, ${noteName(note[2], this.spelled)}, ${sayPlace(this.bars, note[0])}, ${sayLength(note[1], this.piece.quarter)}${held}`);
      this.reveal(note[0]);
    }
    this.draw();
  }

  setRange(first, last) {
    if (this.range && this.range[0] === first && this.range[1] === last) return;
    this.range = [first, last];
    this.hear.range?.(first, last);
    this.draw();
  }

  reveal(tick) {
    const x = this.x(tick);
    if (x < 0 || x > this.view - 60) this.scroller.scrollLeft = Math.max(0, tick * this.scale - this.view / 3);
  }

  // The one line that is drawn.
  get line() {
    return this.piece.tracks[0].notes;
  }

  set line(notes) {
    const tracks = [{ ...this.piece.tracks[0], notes: notes.sort((a, b) => a[0] - b[0]) }, ...this.piece.tracks.slice(1)];
    this.hear.change?.({ ...this.piece, tracks });
  }

  put() {
    const note = [this.cursor.tick, this.step, this.cursor.pitch, 80];
    this.line = [...cleared(this.line, note), note];
    this.selected = { track: 0, tick: note[0] };
    this.hear.sound?.(note[2]);
  }

  replace(note, changed) {
    this.line = [...cleared(this.line.filter((own) => own !== note), changed), changed];
    this.selected = { track: 0, tick: changed[0] };
    this.cursor = { tick: changed[0], pitch: changed[2] };
    if (note[2] !== changed[2]) this.hear.sound?.(changed[2]);
  }

  remove() {
    const { tick } = this.cursor;
    const note = this.line.find(([start, length]) => start <= tick && tick < start + length);
    if (!note) return;
    this.line = this.line.filter((own) => own !== note);
    this.selected = null;
    this.say("note removed");
  }

  under() {
    const { tick, pitch } = this.cursor;
    return this.line.find(([start, length, own]) => own === pitch && start <= tick && tick < start + length);
  }

  tell() {
    const note = this.under();
    const name = noteName(this.cursor.pitch, this.spelled);
    const what = note ? `${name}, ${sayLength(note[1], this.piece.quarter)}` : `${name}, empty`;
    this.say(`${what}, ${sayPlace(this.bars, this.cursor.tick)}`);
  }

  key(event) {
    if (!this.piece || event.altKey || event.metaKey) return;
    const act = { draw: this.keyDraw, voices: this.keyVoices, bars: this.keyBars, view: this.keyView }[this.mode];
    if (act.call(this, event)) {
      event.preventDefault();
      event.stopPropagation();
      this.draw();
    }
  }

  keyDraw(event) {
    const { cursor, step } = this;
    const sideways = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const upwards = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    const note = this.under();
    if (event.ctrlKey) return false;
    if (sideways && event.shiftKey) {
      if (note) this.replace(note, [note[0], Math.max(step, note[1] + sideways * step), note[2], note[3]]);
    } else if (upwards && event.shiftKey) {
      if (note) this.replace(note, [note[0], note[1], Math.min(127, Math.max(0, note[2] + upwards)), note[3]]);
    } else if (sideways) {
      const from = Math.floor(cursor.tick / step) * step;
      cursor.tick = Math.min(this.end - step, Math.max(0, from + sideways * step));
    } else if (upwards) cursor.pitch = Math.min(this.rows[1], Math.max(this.rows[0], cursor.pitch + upwards));
    else if (event.key === "PageDown" || event.key === "PageUp") {
      const bar = placeOf(this.bars, cursor.tick)[0] + (event.key === "PageDown" ? 1 : -1);
      cursor.tick = this.bars[Math.min(this.bars.length, Math.max(1, bar)) - 1][0];
    } else if (event.key === "Home") cursor.tick = 0;
    else if (event.key === "End") cursor.tick = Math.max(0, endOf(this.piece) - step);
    else if (event.key === "Enter" || event.key === " ") {
      if (note) this.remove();
      else this.put();
    } else if (event.key === "Delete" || event.key === "Backspace") this.remove();
    else return false;
    this.reveal(this.cursor.tick);
    this.tell();
    return true;
  }

  keyVoices(event) {
    if (event.ctrlKey) return false;
    const tracks = this.piece.tracks;
    const here = this.selected ?? { track: 0, tick: -1 };
    const notes = tracks[here.track]?.notes ?? [];
    const note = this.selected && this.noteAt(this.selected);
    const upwards = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      const next = event.key === "ArrowRight" ? notes.find((own) => own[0] > here.tick) : notes.findLast((own) => own[0] < here.tick);
      if (next) this.pick({ track: here.track, tick: next[0] });
    } else if (upwards && event.shiftKey) {
      if (note) this.hear.pitch?.(here.track, note, note[2] + upwards);
    } else if (upwards) {
      const track = Math.min(tracks.length - 1, Math.max(0, here.track - upwards));
      const own = tracks[track].notes;
      const near = own.findLast((other) => other[0] <= Math.max(0, here.tick)) ?? own[0];
      if (near) this.pick({ track, tick: near[0] });
    } else if (event.key === "l" || event.key === "L") {
      if (note) this.hear.lock?.(here.track, note);
    } else if (event.key === "Home" && notes.length) this.pick({ track: here.track, tick: notes[0][0] });
    else if (event.key === "End" && notes.length) this.pick({ track: here.track, tick: notes.at(-1)[0] });
    else if (event.key === "Escape") this.pick(null);
    else return false;
    return true;
  }

  keyBars(event) {
    const count = this.bars.length;
    const [first, last] = this.range ?? [1, 1];
    const sideways = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const within = (bar) => Math.min(count, Math.max(1, bar));
    if (event.ctrlKey && event.key.toLowerCase() === "a") this.setRange(1, count);
    else if (event.ctrlKey) return false;
    else if (sideways && event.shiftKey) this.setRange(first, Math.max(first, within(last + sideways)));
    else if (sideways) {
      const bar = within((sideways > 0 ? last : first) + sideways);
      this.setRange(bar, bar);
    } else if (event.key === "Home") this.setRange(1, 1);
    else if (event.key === "End") this.setRange(count, count);
    else return false;
    this.reveal(this.bars[this.range[1] - 1][0]);
    return true;
  }

  keyView(event) {
    const sideways = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!sideways) return false;
    this.scroller.scrollLeft += (sideways * this.view) / 2;
    return true;
  }
}

// Other notes of a line, without what a new note covers.
function cleared(notes, [tick, length]) {
  const kept = [];
  for (const [start, own, pitch, velocity] of notes) {
    if (start >= tick && start < tick + length) continue;
    kept.push(start < tick && start + own > tick ? [start, tick - start, pitch, velocity] : [start, own, pitch, velocity]);
  }
  return kept;
}
