// A roll that scrolls with the music: what has sounded, what sounds, and what is planned ahead.

import { el } from "./dom.js";
import { noteName } from "./piece.js";
import { chordFont, chordTexts, textWidth } from "./roll.js";

const SHOWN = 12; // seconds across, at most
const WIDE = 75; // pixels of a second, at least
const PAST = 1 / 3; // share of them that has passed
const KEPT = 30; // seconds that are remembered
const HEIGHT = 320;
const LOWEST_SPAN = 24; // pitches in view at least
const STRIP = 40; // pixels of the chords
const SLOW = 500; // milliseconds between two pictures where motion is not wanted
const COLOURS = 8;

export class LiveRoll {
  constructor(label) {
    this.canvas = el("canvas", { role: "img", "aria-label": label });
    this.element = el("div", { class: "liveroll" }, this.canvas);
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    new ResizeObserver(() => this.layOut()).observe(this.element);
    this.clear();
  }

  clear() {
    this.notes = []; // {start, end, pitch, voice, drums}: seconds; an end of null still sounds
    this.planned = [];
    this.lines = []; // {at, number}
    this.chords = []; // {start, end, name, roman, degree}
    this.rows = [52, 78];
    this.draw(0);
  }

  // Forget what is long past.
  forget(now) {
    const since = now - KEPT;
    this.notes = this.notes.filter(({ end }) => end === null || end > since);
    this.chords = this.chords.filter(({ end }) => end > since);
    this.lines = this.lines.filter(({ at }) => at > since);
  }

  layOut() {
    const width = this.element.clientWidth;
    if (!width) return;
    const ratio = devicePixelRatio || 1;
    Object.assign(this, { width, ratio, shown: Math.min(SHOWN, width / WIDE) });
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round((HEIGHT + STRIP) * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${HEIGHT + STRIP}px`;
    this.draw(this.now ?? 0);
  }

  // Draw again and again while `now()` gives a time.
  follow(now) {
    this.clock = now;
    const step = () => {
      const at = this.clock?.();
      if (at === null || at === undefined) return;
      this.draw(this.still.matches ? this.lastLine(at) : at, at);
      if (this.still.matches) setTimeout(() => requestAnimationFrame(step), SLOW);
      else requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  lastLine(at) {
    return this.lines.findLast((line) => line.at <= at)?.at ?? at;
  }

  chordAt(at) {
    return this.chords.find(({ start, end }) => start <= at && at < end) ?? null;
  }

  draw(from, now = from) {
    this.now = from;
    if (!this.width) return;
    const context = this.canvas.getContext("2d");
    const style = getComputedStyle(this.element);
    const colour = (name) => style.getPropertyValue(name).trim();
    const { width, ratio } = this;
    const scale = width / this.shown;
    const x = (at) => (at - from) * scale + width * PAST;
    this.fitRows();
    const [low, high] = this.rows;
    const row = HEIGHT / (high - low + 1);
    const y = (pitch) => (high - pitch) * row;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = colour("--paper");
    context.fillRect(0, 0, width, HEIGHT + STRIP);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    for (let pitch = low; pitch <= high; pitch += 1) {
      if (pitch % 12) continue;
      context.fillStyle = colour("--bar");
      context.fillRect(0, y(pitch) + row, width, 1);
      context.fillStyle = colour("--soft");
      context.fillText(noteName(pitch), 4, y(pitch) + row / 2);
    }
    for (const { at, number } of this.lines) {
      if (x(at) < -1 || x(at) > width) continue;
      context.fillStyle = colour("--bar");
      context.fillRect(Math.round(x(at)), 0, 1, HEIGHT);
      context.fillStyle = colour("--soft");
      context.fillText(String(number + 1), x(at) + 4, 9);
    }
    for (const note of this.planned) this.bar(context, note, x, y, row, colour, "planned", now);
    for (const note of this.notes) this.bar(context, note, x, y, row, colour, note.end === null || (note.start <= now && now < note.end) ? "sounds" : "there", now);
    this.chordStrip(context, x, colour);
    context.fillStyle = colour("--accent");
    context.fillRect(Math.round(x(now)) - 1, 0, 2, HEIGHT + STRIP);
  }

  bar(context, note, x, y, row, colour, state, now) {
    const end = note.end ?? now;
    const left = x(note.start);
    const wide = Math.max(3, (end - note.start) * (this.width / this.shown) - 1);
    if (left > this.width || left + wide < 0) return;
    const own = colour(`--voice-${note.voice % COLOURS}`);
    const top = note.drums ? HEIGHT - 7 : y(note.pitch) + 0.5;
    const high = note.drums ? 5 : Math.max(3, row - 1);
    context.beginPath();
    context.roundRect(left, top, wide, high, 2);
    context.globalAlpha = state === "sounds" ? 1 : state === "there" ? 0.72 : 0.85;
    if (state === "planned") {
      context.strokeStyle = own;
      context.lineWidth = 1.5;
      context.setLineDash([3, 2]);
      context.stroke();
      context.setLineDash([]);
    } else {
      context.fillStyle = own;
      context.fill();
      if (state === "sounds") {
        context.strokeStyle = colour("--ink");
        context.lineWidth = 1.5;
        context.stroke();
      }
    }
    context.globalAlpha = 1;
  }

  chordStrip(context, x, colour) {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const scale = this.width / this.shown;
    const texts = this.textsOfChords(scale);
    const written = [];
    this.chords.forEach((chord, place) => {
      const left = x(chord.start);
      const wide = (chord.end - chord.start) * scale - 2;
      written.push({ ...texts[place], x: left, wide });
      if (left > this.width || left + wide < 0) return;
      const hue = (230 + 210 * chord.degree) % 360; // a fifth is 30 degrees of the wheel: 7 semitones, 1470 = 30
      context.fillStyle = dark ? `hsl(${hue} 32% 24%)` : `hsl(${hue} 62% 90%)`;
      context.fillRect(left, HEIGHT + 3, wide, STRIP - 5);
    });
    context.fillStyle = colour("--ink");
    for (const { x: left, wide, size, lines } of written) {
      lines.forEach(([text, strong], line) => {
        const inside = Math.max(left + 5, Math.min(5, left + wide - textWidth(text, size, strong) - 2)); // it stays in view
        context.font = chordFont(size, strong);
        context.fillText(text, inside, HEIGHT + (lines.length > 1 ? 13 + 15 * line : 20));
      });
    }
  }

  // What is written in the cells, bar by bar, so that it stays while older bars are forgotten.
  textsOfChords(scale) {
    if (this.texts?.chords === this.chords && this.texts.count === this.chords.length && this.texts.scale === scale) return this.texts.found;
    const found = [];
    for (let first = 0, last = 0; first < this.chords.length; first = last) {
      while (last < this.chords.length && this.chords[last].bar === this.chords[first].bar) last += 1;
      const cells = this.chords.slice(first, last).map(({ name, roman, start, end }) => {
        const step = (end - start) * scale;
        return { name, roman, room: step - 8, step };
      });
      found.push(...chordTexts(cells));
    }
    this.texts = { chords: this.chords, count: this.chords.length, scale, found };
    return found;
  }

  fitRows() {
    const pitches = [...this.notes, ...this.planned].filter((note) => !note.drums).map((note) => note.pitch);
    if (!pitches.length) return;
    const low = Math.min(...pitches) - 2;
    const high = Math.max(...pitches) + 2;
    const more = Math.max(0, LOWEST_SPAN - (high - low + 1));
    this.rows = [low - Math.floor(more / 2), high + Math.ceil(more / 2)];
  }
}
