// Harmonise: a melody that is drawn, played or given; four voices to choose from; notes that are changed and held.

import { button, checkbox, el, number, select, textField } from "./dom.js";
import { Drawing } from "./drawing.js";
import { FileDoor } from "./files.js";
import { Undoable } from "./history.js";
import { Recording } from "./keys.js";
import { copy, emptyMelody, endOf, QUARTER, secondsOf } from "./piece.js";
import { Result } from "./result.js";
import { Roll } from "./roll.js";

const METERS = [["4/4", "4/4"], ["3/4", "3/4"], ["2/4", "2/4"], ["6/8", "6/8"]];
const GRIDS = [["24", "quarter notes"], ["12", "eighths"], ["6", "sixteenths"]];
const MOST_BARS = 16; // of a recording
const STEPS = 4; // of a recording, a quarter note

// What became of the chord symbols of a melody.
function aboutSymbols({ text, unknown }) {
  const found = text ? ["Its chord symbols are in the field Chords: the voices keep to them."] : [];
  if (unknown.length) found.push(`${unknown.join(", ")} cannot be followed: any harmony may stand there.`);
  return found.join(" ");
}

export class Harmonise extends Undoable {
  id = "harmonise";
  name = "Harmonise";

  constructor(studio) {
    super(studio, { title: "Melody", melody: emptyMelody(90, [4, 4]), locks: {}, result: null, choice: 0, view: null, recipe: null, chords: "", symbols: null });
  }

  build(panel) {
    const { studio } = this;
    this.roll = new Roll("Melody", "draw", { change: (melody) => this.changeMelody(melody), sound: (pitch) => this.sound(pitch) }, studio.say);
    this.grid = select("Notes of", GRIDS, "12");
    this.grid.control.addEventListener("change", () => {
      this.roll.grid = Number(this.grid.control.value);
      this.roll.draw();
    });
    this.tempo = number("Tempo", 90, 20, 300);
    this.tempo.control.addEventListener("change", () => this.retime());
    this.meter = select("Meter", METERS, "4/4");
    this.meter.control.addEventListener("change", () => this.retime());
    this.topLine = checkbox("Take the top line", false, "Where several notes sound at a time.");
    this.recordButton = button("● Record", () => this.record(), { "aria-pressed": "false" });
    this.hearButton = button("▶ Hear it", () => this.hearMelody());
    this.typing = checkbox("Play with the computer's keys", false, "A W S E D F … are C C♯ D D♯ E F; Z and X change the octave.");
    this.typing.control.addEventListener("change", () => (studio.keys.active = this.typing.control.checked));
    this.midi = button("Use a MIDI keyboard", () => this.useMidi());
    this.files = new FileDoor(studio, panel, (found) => this.take(found));
    this.drawing = new Drawing(studio, 4);
    this.chords = textField("Chords", "", "Bar by bar, as symbols or Roman numerals. Empty: any.", "C | Am F | V7 I");
    this.chords.control.addEventListener("change", () => this.set({ chords: this.chords.control.value }));
    this.symbolsNote = el("small", { class: "hint" });
    this.result = new Result(studio, "Four voices", "voices", {
      choose: (choice) => this.choose(choice),
      pitch: (...edit) => this.changeNote(...edit),
      lock: (...note) => this.toggleLock(...note),
      pick: (track, note) => this.picked(track, note),
      model: () => this.state.recipe.model,
      title: () => this.state.title,
      file: () => ({ piece: this.piece }),
      link: () => this.link(),
    });
    this.redrawButton = button("Draw the others again", () => this.harmonise(), { class: "primary" });
    this.lockButton = button("Lock", () => this.lockPicked(), { disabled: true });
    this.freeButton = button("Free all", () => this.freeAll());
    this.higher = button("Higher", () => this.movePicked(1), { disabled: true });
    this.lower = button("Lower", () => this.movePicked(-1), { disabled: true });
    this.result.away.next.append(
      button("Fill some bars →", () => studio.handOver("fill", this.handed())),
      button("Arrange it →", () => studio.handOver("arrange", this.handed())),
    );
    this.resultBox = el(
      "div",
      { class: "stack second", hidden: true },
      el(
        "section",
        { class: "card", "aria-label": "Harmony" },
        el("div", { class: "head" }, el("h2", { text: "Harmony" }), this.result.facts, this.result.legend),
        this.result.candidates,
        this.result.roll.element,
        el(
          "div",
          { class: "row edit" },
          el("span", { class: "hint", text: "Choose a note, change it, and have the others drawn again:" }),
          this.higher,
          this.lower,
          this.lockButton,
          this.freeButton,
          this.redrawButton,
        ),
      ),
      this.result.scoreBox,
      this.result.rulesBox,
      this.result.away.element,
    );
    panel.append(
      el(
        "div",
        { class: "columns" },
        el(
          "div",
          { class: "first" },
          el(
            "section",
            { class: "card", "aria-label": "Melody" },
            el("div", { class: "head" }, el("h2", { text: "Melody" }), (this.title = el("p", { class: "facts" }))),
            el("p", { class: "hint", text: "Click or tap to put notes, drag to move them or make them longer, double-click to take them away. Or play, or drop a file here." }),
            el(
              "div",
              { class: "row tools" },
              this.recordButton,
              this.hearButton,
              this.files.element,
              this.undoButton,
              this.redoButton,
              button("Clear", () => this.clear()),
            ),
            this.roll.element,
            el("div", { class: "row fields" }, this.grid.element, this.tempo.element, this.meter.element),
            el("div", { class: "row" }, this.typing.element, this.midi, this.topLine.element),
          ),
        ),
        el(
          "section",
          { class: "card side", "aria-label": "How to harmonise" },
          el("h2", { text: "How" }),
          this.drawing.element,
          this.chords.element,
          this.symbolsNote,
          el(
            "div",
            { class: "row go" },
            (this.goButton = button("Harmonise", () => this.fresh(), { class: "primary" })),
            button("With the next seed", () => {
              this.drawing.nextSeed();
              this.fresh();
            }),
          ),
        ),
        this.resultBox,
      ),
    );
    this.show();
  }

  get piece() {
    return this.state.view ?? this.result.current?.piece;
  }

  handed() {
    return { title: this.state.title, piece: copy(this.piece) };
  }

  show() {
    const { melody, result, choice, view, title } = this.state;
    this.roll.show(melody);
    this.title.textContent = title;
    const { chords = "", symbols = null } = this.state;
    if (chords !== this.shownChords) this.chords.control.value = this.shownChords = chords;
    this.symbolsNote.textContent = symbols ? aboutSymbols(symbols) : "";
    this.symbolsNote.hidden = !symbols || chords !== symbols.text;
    this.tempo.control.value = Math.round(melody.tempos[0]?.[1] ?? 120);
    const meter = melody.meters[0] ? `${melody.meters[0][1]}/${melody.meters[0][2]}` : "4/4";
    if (!METERS.some(([key]) => key === meter) && ![...this.meter.control.options].some((option) => option.value === meter)) {
      this.meter.control.append(el("option", { value: meter, text: meter }));
    }
    this.meter.control.value = meter;
    const empty = !melody.tracks.some((track) => track.notes.length);
    this.goButton.disabled = empty;
    this.hearButton.disabled = empty;
    this.resultBox.hidden = !result;
    if (result) {
      const count = Object.values(this.state.locks).reduce((sum, notes) => sum + notes.length, 0);
      const note = view ? "changed: draw the others again" : "";
      this.result.show(result, choice, { view, locked: this.lockedNotes(), note });
      this.freeButton.disabled = !count;
      this.redrawButton.disabled = !view && !count;
    }
    this.shown();
  }

  changeMelody(melody) {
    this.set({ melody });
  }

  retime() {
    const [beats, unit] = this.meter.control.value.split("/").map(Number);
    const melody = copy(this.state.melody);
    melody.tempos = [[0, this.tempo.get()], ...melody.tempos.slice(1)];
    melody.meters = [[0, beats, unit], ...melody.meters.slice(1)];
    this.set({ melody });
  }

  clear() {
    const [beats, unit] = this.meter.control.value.split("/").map(Number);
    this.studio.player.stop();
    this.set({ title: "Melody", melody: emptyMelody(this.tempo.get(), [beats, unit]), locks: {}, result: null, view: null, ...this.withSymbols(null) });
  }

  take({ title, melody, symbols }) {
    if (!melody) throw new Error(`${title} has no melody.`);
    this.topLine.control.checked = false;
    this.set({ title, melody, locks: {}, result: null, view: null, recipe: null, ...this.withSymbols(symbols) });
    return symbols ? [aboutSymbols(symbols)] : [];
  }

  // The field Chords with the symbols of a melody; what somebody has typed stays where there are none.
  withSymbols(symbols) {
    const { value } = this.chords.control;
    return { symbols, chords: symbols?.text || (value === this.state.symbols?.text ? "" : value) };
  }

  // A piece from another tab: its first line is the melody.
  async receive({ title, piece }) {
    const first = piece.tracks.find((track) => track.notes.length && !track.drums) ?? piece.tracks[0];
    const melody = { ...piece, tracks: [first] };
    let symbols = null;
    if (piece.marks.some(([, text]) => text.startsWith("chord:"))) {
      const read = (options) => this.studio.connection.json("/api/describe", { json: { piece: melody }, ...options });
      symbols = (await this.studio.work(`Reading the chords of ${title}`, read))?.symbols ?? null;
    }
    this.set({ title, melody, locks: {}, result: null, view: null, recipe: null, ...this.withSymbols(symbols) });
  }

  sound(pitch) {
    this.studio.player.note(pitch).catch((error) => this.studio.fail(error));
  }

  async useMidi() {
    const count = await this.studio.keys.listen((now) => this.studio.say(`MIDI keyboards: ${now}`, true));
    if (count < 0) this.studio.say("This browser does not give MIDI keyboards to the page. Chrome and Firefox can, when you allow it.", true);
    else if (!count) this.studio.say("No MIDI keyboard is connected. Connect one: the page sees it at once.", true);
  }

  heard(note) {
    if (note.on && !this.studio.player.playing) this.sound(note.pitch);
    if (!this.recording) return;
    this.recording.add(note);
  }

  chosen() {
    this.studio.keys.active = this.typing.control.checked;
  }

  left() {
    if (this.recording) this.stopRecording();
  }

  async record() {
    if (this.recording) return this.stopRecording();
    const { player, keys } = this.studio;
    player.stop();
    const { context } = player;
    await context.resume();
    await player.note(0).catch(() => {}); // the samples are fetched before the first note
    const [beats, unit] = this.meter.control.value.split("/").map(Number);
    const tempo = this.tempo.get();
    const beat = (60 / tempo) * (4 / unit);
    const first = context.currentTime + 0.15;
    for (let count = 0; count < beats * (MOST_BARS + 1); count += 1) player.click(first + count * beat, count % beats === 0);
    const start = performance.now() / 1000 + first - context.currentTime + beats * beat;
    this.recording = new Recording(start, 60 / tempo / STEPS, QUARTER / STEPS);
    this.recorded = { beats, unit, tempo, from: this.state };
    keys.active = true;
    this.recordButton.textContent = "■ Stop";
    this.recordButton.setAttribute("aria-pressed", "true");
    this.studio.say(`Count-in: ${beats} beats. Play with A W S E D F … or a MIDI keyboard.`, true);
    const follow = () => {
      if (!this.recording) return;
      const now = performance.now() / 1000 - start;
      if (now > MOST_BARS * beats * beat) return this.stopRecording();
      this.roll.play(now < 0 ? null : (now * tempo * this.state.melody.quarter) / 60);
      requestAnimationFrame(follow);
    };
    follow();
  }

  stopRecording() {
    const { player, keys } = this.studio;
    const { beats, unit, tempo } = this.recorded;
    const notes = this.recording.finish(performance.now());
    this.recording = null;
    player.silenceClicks();
    keys.active = this.typing.control.checked;
    this.recordButton.textContent = "● Record";
    this.recordButton.setAttribute("aria-pressed", "false");
    this.roll.play(null);
    if (!notes.length) return this.studio.say("Nothing was played: the melody is as it was.", true);
    const melody = emptyMelody(tempo, [beats, unit]);
    melody.tracks[0].notes = notes;
    this.set({ title: "Melody", melody, locks: {}, result: null, view: null, recipe: null, ...this.withSymbols(null) });
    this.studio.say(`${notes.length} notes are recorded.`, true);
  }

  hearMelody() {
    const { melody } = this.state;
    this.studio.play({ request: { piece: melody }, piece: melody, show: (tick) => this.roll.play(tick), id: "melody" });
  }

  // Play starts at the note that is chosen.
  playable() {
    if (this.state.result && this.piece) {
      const { piece } = this;
      const { selected } = this.result.roll;
      const from = selected ? secondsOf(piece, selected.tick) : 0;
      return { request: { piece }, piece, from, ...this.result.shows(), id: "harmony" };
    }
    const { melody } = this.state;
    if (!endOf(melody)) return null;
    return { request: { piece: melody }, piece: melody, show: (tick) => this.roll.play(tick), id: "melody" };
  }

  lockedNotes() {
    const tracks = (this.piece ?? this.result.current?.piece)?.tracks ?? [];
    const found = new Set();
    tracks.forEach((track, place) => {
      for (const [tick] of this.state.locks[track.name] ?? []) found.add(`${place}:${tick}`);
    });
    return found;
  }

  picked(track, note) {
    this.pickedNote = note && { track, note };
    for (const control of [this.higher, this.lower]) control.disabled = !note;
    this.lockButton.disabled = !note || track === 0;
    this.lockButton.textContent = note && this.lockedNotes().has(`${track}:${note[0]}`) ? "Free" : "Lock";
  }

  movePicked(by) {
    const { track, note } = this.pickedNote;
    this.changeNote(track, note, note[2] + by);
  }

  lockPicked() {
    this.toggleLock(this.pickedNote.track, this.pickedNote.note);
  }

  changeNote(track, note, pitch) {
    if (pitch < 0 || pitch > 127) return false;
    const view = copy(this.piece);
    const changed = [note[0], note[1], pitch, note[3]];
    const put = (notes) => notes.map((own) => (own[0] === note[0] ? changed : own));
    view.tracks[track].notes = put(view.tracks[track].notes);
    if (track === 0) {
      const melody = copy(this.state.melody);
      const place = melody.tracks.findIndex((own) => own.notes.length && !own.drums);
      melody.tracks[place].notes = put(melody.tracks[place].notes);
      this.set({ view, melody });
    } else {
      const { name } = view.tracks[track];
      const others = (this.state.locks[name] ?? []).filter((own) => own[0] !== note[0]);
      this.set({ view, locks: { ...this.state.locks, [name]: [...others, changed] } });
    }
    this.sound(pitch);
    this.result.roll.pick({ track, tick: note[0] });
    return true;
  }

  toggleLock(track, note) {
    if (track === 0) return this.studio.say("The melody stays as it is.");
    const { name } = this.piece.tracks[track];
    const own = this.state.locks[name] ?? [];
    const others = own.filter((other) => other[0] !== note[0]);
    const locked = others.length === own.length;
    this.set({ locks: { ...this.state.locks, [name]: locked ? [...others, note] : others } });
    this.result.roll.pick({ track, tick: note[0] });
  }

  freeAll() {
    this.set({ locks: {}, view: null });
  }

  fresh() {
    return this.harmonise(this.recipe({}));
  }

  recipe(held = this.state.locks) {
    const locks = Object.fromEntries(Object.entries(held).filter(([, notes]) => notes.length));
    return {
      task: "harmonise",
      ...this.drawing.get(),
      melody: this.state.melody,
      top_line: this.topLine.control.checked,
      chords: this.chords.control.value.trim() || null,
      ...(Object.keys(locks).length ? { locks } : {}),
    };
  }

  async harmonise(recipe = this.recipe(), more = {}) {
    return this.studio.work(`Drawing ${recipe.settings.candidates} harmonies`, async (options) => {
      const result = await this.studio.connection.json("/api/make", { json: recipe, ...options });
      this.set({ result, choice: 0, view: null, recipe, locks: recipe.locks ?? {}, ...more });
      const [best] = result.candidates;
      this.studio.say(`${result.candidates.length} harmonies, the best with ${best.nats.toFixed(1)} nats and ${best.parallels} parallels.`);
      return result;
    });
  }

  choose(choice) {
    const playing = this.studio.isPlaying("harmony");
    this.set({ choice, view: null });
    if (playing) this.studio.play(this.playable());
  }

  link() {
    const { recipe, result, choice, title, view } = this.state;
    if (view) throw new Error("Draw the others again before you take a link: it gives what was drawn.");
    return { recipe: { ...recipe, key: result.model.key }, choice, title };
  }

  showRecipe(recipe) {
    this.drawing.set(recipe);
    this.topLine.control.checked = recipe.top_line ?? false;
  }

  async open({ recipe, choice, title }) {
    this.showRecipe(recipe);
    // the server checks the melody before it is shown
    const result = await this.harmonise(recipe, { title, melody: recipe.melody, chords: recipe.chords ?? "", symbols: null });
    if (result && choice) this.choose(Math.min(choice, result.candidates.length - 1));
    return result;
  }
}
