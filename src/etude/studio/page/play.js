// Play: music that is written while it sounds, steered by sliders; it can answer, or accompany, who plays.

import { button, checkbox, el, number, select, slider } from "./dom.js";
import { PAGE } from "./connection.js";
import { LiveRoll } from "./liveroll.js";
import { TakeAway } from "./takeaway.js";

const DELAY = 0.25; // seconds between a bar's arrival and its sound
const KEYS = ["C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"].flatMap((tonic) => [`${tonic} major`, `${tonic} minor`]);
const LEVELS = ["lowest", "low", "middle", "high", "highest"];
const MOODS = ["happy", "tense", "sad", "calm"];
const ROLES = [
  ["play", "Play on and on"],
  ["answer", "Answer what I play"],
  ["accompany", "Accompany me"],
];
const ABOUT = {
  play: "The model writes bar after bar. What you change is heard from the next bar on.",
  answer: "Play a phrase, and stop: the model answers with one as long, in your key. Play again, and it listens.",
  accompany: "Play a melody: a harmony follows each note, and ends when you do.",
};
const INSTRUMENTS = [
  [0, "Piano"], [6, "Harpsichord"], [19, "Organ"], [24, "Guitar"], [32, "Double bass"], [40, "Violin"], [42, "Cello"],
  [48, "Strings"], [52, "Choir"], [56, "Trumpet"], [68, "Oboe"], [69, "English horn"], [70, "Bassoon"], [71, "Clarinet"],
  [73, "Flute"], [11, "Vibraphone"],
];
const OF_BANDS = [[21, "Accordion"], [25, "Steel guitar"], [29, "Electric guitar"], [33, "Electric bass"], [34, "Picked bass"], [61, "Brass"]];

function instrumentOf(program) {
  if (program < 0) return "Drums";
  return [...INSTRUMENTS, ...OF_BANDS].find(([own]) => own === program)?.[1] ?? `Program ${program}`;
}

export class Play {
  id = "play";
  name = "Play";

  constructor(studio) {
    this.studio = studio;
    this.about = studio.about.play;
    this.session = null; // of what has been played
    this.playing = false;
    this.heardBars = []; // the last ones
  }

  build(panel) {
    const { about } = this;
    this.role = select("What it does", ROLES, "play");
    this.roleNote = el("small", { class: "hint" });
    this.model = select("Model", about.models.map(({ name }) => [name, name]), about.models[0].name);
    this.harmony = select("Harmony", [["voices", "four voices, by the model"], ["chords", "piano chords, by no model"]], "voices");
    this.seed = number("Seed", this.studio.about.seed, 0, 2 ** 31 - 1, "The same seed and the same changes give the same music.");
    this.startButton = button("Start", () => this.toggle(), { class: "primary" });
    this.role.control.addEventListener("change", () => this.showChoices());
    this.model.control.addEventListener("change", () => this.showChoices());
    this.harmony.control.addEventListener("change", () => this.showChoices());
    this.controls = el("div", { class: "settings" });
    this.keysBox = checkbox("Play with the computer's keys", true, "A W S E D F … are C C♯ D D♯ E F; Z and X change the octave.");
    this.keysBox.control.addEventListener("change", () => this.takeKeys());
    this.midiButton = button("Use MIDI keyboards", () => this.midi());
    this.clickBox = checkbox("Click on the beats", true);
    this.input = el("div", { class: "settings" }, this.keysBox.element, this.clickBox.element, el("div", { class: "row" }, this.midiButton));
    this.roll = new LiveRoll("Notes that sound, and notes that are planned, over time");
    this.facts = el("p", { class: "facts", text: "Nothing plays." });
    this.legend = el("ul", { class: "legend", "aria-label": "Voices" });
    this.log = el("div", { class: "log", "aria-label": "What the music says", role: "log" });
    const hint = "A link holds model, seed, all changes and all that you played, and gives the same music again.";
    this.away = new TakeAway(this.studio, this, hint, "Link to this music");
    this.away.element.hidden = true;
    panel.append(
      el(
        "div",
        { class: "columns" },
        el(
          "div",
          { class: "first" },
          el(
            "section",
            { class: "card", "aria-label": "Music" },
            el("div", { class: "head" }, el("h2", { text: "Music" }), this.facts, this.legend),
            this.roll.element,
            el("p", { class: "hint", text: "Filled notes have sounded or sound; dashed ones are planned, and change with the controls. Below them the chords, by name and Roman numeral." }),
            this.log,
          ),
        ),
        el(
          "section",
          { class: "card side", "aria-label": "Controls" },
          el("h2", { text: "Controls" }),
          this.role.element,
          this.roleNote,
          this.model.element,
          this.harmony.element,
          this.seed.element,
          el("div", { class: "row go" }, this.startButton),
          this.input,
          this.controls,
        ),
        el("div", { class: "stack second" }, this.away.element),
      ),
    );
    this.showChoices();
  }

  get picked() {
    return this.about.models.find(({ name }) => name === this.model.control.value);
  }

  get needsModel() {
    return !(this.role.control.value === "accompany" && this.harmony.control.value === "chords");
  }

  showChoices() {
    const role = this.role.control.value;
    this.roleNote.textContent = ABOUT[role];
    this.harmony.element.hidden = role !== "accompany";
    this.model.element.hidden = !this.needsModel;
    for (const option of this.model.control.options) {
      const model = this.about.models.find(({ name }) => name === option.value);
      option.disabled = (role === "accompany" && !model.accompanies) || (role === "answer" && !model.controls.includes("scale"));
    }
    if (this.model.control.selectedOptions[0]?.disabled) {
      this.model.control.value = [...this.model.control.options].find((option) => !option.disabled)?.value ?? "";
    }
    this.input.hidden = role === "play";
    this.showControls();
  }

  // The controls of a model, at the values that it starts with. A change while it plays goes to the studio at once.
  showControls() {
    const model = this.needsModel ? this.picked : { voices: {}, tempo: 100, temperature: 1, controls: ["tempo", "transpose", "scale"], styles: [] };
    const role = this.role.control.value;
    this.values = {};
    this.setters = {}; // of each control, by a value as a session has it
    const send = (name, value) => {
      this.values[name] = String(value);
      if (this.playing) this.send({ type: "set", name, value: String(value) });
    };
    const made = [];
    const takes = (name) => model.controls.includes(name);
    const what = this.about.controls;
    const change = (name) => (value) => send(name, value);
    const slide = (name, label, ...rest) => {
      const own = slider(label, ...rest, change(name));
      this.setters[name] = own.set;
      made.push(own.element);
    };
    slide("tempo", "Tempo", Math.round(model.tempo), 40, 200, 1, "Beats a minute. Until you move it, as the model writes it.", (v) => `${v} BPM`);
    if (takes("temperature") && this.needsModel) {
      slide("temperature", "Temperature", role === "accompany" ? 0.6 : model.temperature, 0.2, 1.6, 0.05, "Lower: more probable notes. Higher: more varied ones.", (v) => v.toFixed(2));
    }
    slide("transpose", "Transpose", 0, -12, 12, 1, "Semitones by which all voices are moved.", (v) => (v > 0 ? `+${v}` : `${v}`));
    const choice = (name, label, options, about) => {
      const own = select(label, [["any", "any"], ...options.map((value) => [value, value])], "any", about);
      own.control.addEventListener("change", () => send(name, own.control.value));
      this.setters[name] = (value) => {
        if (![...own.control.options].some((option) => option.value === value)) own.control.append(el("option", { value, text: value }));
        own.control.value = value;
      };
      made.push(own.element);
    };
    if (takes("scale")) choice("scale", "Scale", KEYS, "Notes outside of it become rare.");
    if (role === "play" && model.styles.length) choice("style", "Band", model.styles, "A band that plays along with the top line.");
    if (role === "play" && takes("mood")) {
      choice("mood", "Mood", MOODS, "Sets energy and brightness; a change starts a new section.");
      choice("key", "Key", KEYS, "A new key starts a new section.");
      for (const name of ["density", "polyphony", "energy", "brightness", "bottom", "top"]) choice(name, name[0].toUpperCase() + name.slice(1), LEVELS, what[name]);
    }
    const voices = Object.entries(model.voices);
    if (voices.length && this.needsModel) {
      const muted = new Set();
      const own = {}; // of each voice: its controls
      const rows = voices.map(([name, program]) => {
        const mute = el("input", { type: "checkbox" });
        mute.addEventListener("change", () => {
          if (mute.checked) muted.add(name);
          else muted.delete(name);
          send("mute", [...muted].join(",") || "none");
        });
        const known = INSTRUMENTS.some(([own]) => own === program) ? INSTRUMENTS : [[program, `Program ${program}`], ...INSTRUMENTS];
        const instrument = el("select", { "aria-label": `Instrument of ${name}` }, ...known.map(([own, text]) => el("option", { value: own, text, selected: own === program })));
        instrument.disabled = program < 0;
        instrument.addEventListener("change", () => send("instruments", `${name}:${instrument.value}`));
        own[name] = { mute, instrument };
        return el("div", { class: "voice-row" }, el("span", { text: name }), instrument, el("label", { class: "mute" }, mute, " Mute"));
      });
      this.setters.mute = (value) => {
        for (const name of value.split(",")) {
          if (!own[name]) continue;
          own[name].mute.checked = true;
          muted.add(name);
        }
      };
      this.setters.instruments = (value) => {
        for (const [name, program] of value.split(",").map((pair) => pair.split(":"))) {
          const control = own[name]?.instrument;
          if (!control) continue;
          if (![...control.options].some((option) => option.value === program)) control.append(el("option", { value: program, text: instrumentOf(Number(program)) }));
          control.value = program;
        }
      };
      made.push(el("details", {}, el("summary", { text: "Voices" }), ...rows));
    }
    this.controls.replaceChildren(...made);
  }

  // Show how a session began: its role, model and seed, and the controls of its first bar, from which it can be started.
  showSession(session) {
    if (ROLES.some(([role]) => role === session.role)) this.role.control.value = session.role;
    if (["voices", "chords"].includes(session.harmony)) this.harmony.control.value = session.harmony;
    if (this.about.models.some(({ name }) => name === session.model)) this.model.control.value = session.model;
    this.seed.control.value = session.seed;
    this.showChoices();
    for (const [name, value] of Object.entries(session.bars?.[0]?.controls ?? {})) {
      if (!Object.hasOwn(this.setters, name)) continue;
      const text = name === "instruments" ? Object.entries(value).map((pair) => pair.join(":")).join(",") : String(value);
      this.setters[name](text);
      this.values[name] = text;
    }
  }

  // ---- start and stop

  toggle() {
    return this.playing || this.starting ? this.stop() : this.start();
  }

  async start() {
    const { player } = this.studio;
    player.stop();
    await player.context.resume();
    this.starting = true;
    this.prepare();
    this.showState();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws/play?page=${PAGE}`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.addEventListener("open", () => this.send(this.request()));
    socket.addEventListener("message", (event) => this.hear(event.data));
    socket.addEventListener("close", () => {
      if (this.socket !== socket) return;
      if (this.playing || this.starting) this.say("The studio has gone away: the music ends with what it has sent.");
      this.ended(null);
    });
  }

  // Forget what was played before.
  prepare() {
    this.roll.clear();
    this.log.replaceChildren();
    this.away.linkField.hidden = true;
    this.zero = null; // the time of the audio clock at which the music starts
    this.sources = new Set();
    this.programs = new Map();
    this.sounding = new Map();
    this.heardBars = [];
    this.bar = null;
    this.parts = [];
    this.voices = {}; // those of the model, with their programs
    this.newest = new Map(); // the last note of each voice, which the next bar may hold
  }

  request() {
    return {
      type: "start",
      role: this.role.control.value,
      model: this.needsModel ? this.model.control.value : "",
      harmony: this.harmony.control.value,
      seed: this.seed.get(),
      controls: this.values,
    };
  }

  stop() {
    this.send({ type: "stop" });
    this.silence();
    this.starting = false;
    this.showState();
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  ended(session) {
    this.playing = this.starting = false;
    if (session) this.session = session;
    this.roll.clock = null;
    this.releaseKeys();
    this.away.element.hidden = !this.session;
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.showState();
    this.studio.save();
  }

  silence() {
    for (const source of this.sources ?? []) {
      try {
        source.stop();
      } catch {
        // it never started
      }
    }
    this.sources = new Set();
    for (const note of this.sounding?.values() ?? []) note.end();
    this.sounding = new Map();
    this.studio.player.silenceClicks();
  }

  showState() {
    this.startButton.textContent = this.playing || this.starting ? "Stop" : "Start";
    this.startButton.setAttribute("aria-pressed", String(this.playing));
    for (const control of [this.role.control, this.model.control, this.harmony.control, this.seed.control]) control.disabled = this.playing || this.starting;
    if (this.starting) this.facts.textContent = "The first bars are being written …";
    else if (!this.playing) this.facts.textContent = this.session ? `${this.session.bars.length} bars were played.` : "Nothing plays.";
    this.studio.showPlaying?.(this.playing || this.starting);
  }

  say(text) {
    this.log.append(el("p", { text }));
    while (this.log.children.length > 5) this.log.firstChild.remove();
  }

  // ---- what comes from the studio

  hear(data) {
    if (data instanceof ArrayBuffer) return this.hearBar(data);
    const message = JSON.parse(data);
    if (message.type === "started") return this.hasStarted(message);
    if (message.type === "said") return this.say(message.text);
    if (message.type === "refused") {
      this.studio.note(message.text, true);
      if (this.starting && !this.playing) this.ended(null);
      return undefined;
    }
    if (message.type === "ended") return this.ended(message.session);
    if (message.type === "line") return this.line(message);
    if (message.type === "program") return this.programs.set(message.channel, message.program);
    if (message.type === "note") return this.hearNote(message);
    if (message.type === "quiet") for (const key of [...this.sounding.keys()]) if (key.startsWith(`${message.channel}:`)) this.endNote(key);
    return undefined;
  }

  hasStarted(message) {
    this.playing = true;
    this.starting = false;
    this.voices = message.voices;
    this.parts = Object.keys(this.voices).map((name) => ({ name, band: false }));
    this.showLegend();
    this.showState();
    this.facts.textContent = message.role === "play" ? "The first bars are being written …" : "The instruments are being read …";
    if (message.role !== "play") {
      this.zero = this.studio.player.context.currentTime;
      const { player } = this.studio;
      const programs = new Set([0, ...Object.values(message.voices)]);
      Promise.all([...programs].map((program) => player.bank(Math.max(0, program)))).then(() => {
        if (this.playing && !this.roll.notes.length) this.say("It listens: play.");
      });
      this.takeKeys();
      this.roll.follow(() => this.time());
      this.tick();
    }
  }

  // Who is in the roll; of two with one name, a voice and a part of the band, the instrument too.
  showLegend() {
    const heard = new Set([...this.roll.notes, ...this.roll.planned].map(({ voice }) => voice));
    const shown = this.parts.map((part, place) => ({ ...part, place })).filter(({ place }) => !heard.size || heard.has(place));
    const texts = shown.map((part) => {
      if (shown.every((other) => other === part || other.name !== part.name)) return part.name;
      return `${part.name} (${instrumentOf(this.programOf(part)).toLowerCase()}${part.band ? ", band" : ""})`;
    });
    if (String(texts) === [...this.legend.children].map((item) => item.textContent).join()) return;
    this.legend.replaceChildren(...texts.map((text, place) => el("li", { class: `voice-${shown[place].place % 8}`, text })));
  }

  programOf({ name, band }) {
    if (!band) return this.instruments?.[name] ?? this.voices[name];
    return this.studio.about.styles.find((style) => style.name === this.style)?.programs[name];
  }

  place(name, band = false) {
    const place = this.parts.findIndex((part) => part.name === name && part.band === band);
    return place < 0 ? this.parts.push({ name, band }) - 1 : place;
  }

  // Seconds of the music that are heard now; null where none plays.
  time() {
    if (!this.playing || this.zero === null) return null;
    const { context } = this.studio.player;
    return context.currentTime - (context.outputLatency || 0) - this.zero;
  }

  hearBar(data) {
    const size = new DataView(data).getUint32(0);
    const bar = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, size)));
    const { player } = this.studio;
    const { context } = player;
    const pcm = new Int16Array(data.slice(4 + size));
    if (this.zero === null) {
      this.zero = context.currentTime + DELAY - bar.skip;
      this.roll.follow(() => this.time());
      this.tick();
    }
    if (pcm.length) {
      const buffer = new AudioBuffer({ length: pcm.length / 2, numberOfChannels: 2, sampleRate: bar.rate });
      for (const side of [0, 1]) {
        const samples = buffer.getChannelData(side);
        for (let place = 0; place < samples.length; place += 1) samples[place] = pcm[2 * place + side] / 32768;
      }
      const source = new AudioBufferSourceNode(context, { buffer });
      source.connect(player.master);
      const skip = bar.number === 0 ? bar.skip : 0;
      const at = this.zero + bar.start + skip;
      const late = Math.max(0, context.currentTime - at);
      if (late) this.late = (this.late ?? 0) + 1;
      source.start(Math.max(at, context.currentTime), skip + late);
      this.sources.add(source);
      source.addEventListener("ended", () => this.sources.delete(source));
    }
    this.showBar(bar);
  }

  showBar(bar) {
    const tick = bar.seconds / bar.length;
    this.style = bar.controls.style ?? null;
    this.instruments = bar.controls.instruments ?? {};
    const noteOf = (start, [onset, length, pitch, name, drums], each, band) => ({
      start: start + onset * each,
      end: start + (onset + length) * each,
      pitch,
      drums,
      voice: this.place(name, band),
    });
    const { band } = bar;
    if (band) this.newest.clear(); // a band holds nothing of what the voices have sung
    Object.keys(this.voices).forEach((name, voice) => {
      const [held, last] = [bar.holds[voice], this.newest.get(name)];
      if (held && last) last.end = Math.max(last.end, bar.start + held * tick);
    });
    this.roll.lines.push({ at: bar.start, number: bar.number });
    for (const note of bar.notes) {
      const made = noteOf(bar.start, note, tick, band);
      this.roll.notes.push(made);
      if (!band) this.newest.set(note[3], made);
    }
    this.roll.chords = this.roll.chords.filter(({ start }) => start < bar.start);
    for (const chord of bar.chords) this.roll.chords.push({ ...chord, bar: bar.number, start: bar.start + chord.start * tick, end: bar.start + chord.end * tick });
    let at = bar.start + bar.seconds;
    this.roll.planned = bar.planned.flatMap(({ length, notes, band: planned }) => {
      const start = at;
      at += length * tick;
      return notes.map((note) => noteOf(start, note, tick, planned));
    });
    this.showLegend();
    this.roll.forget(bar.start);
    this.bar = bar;
    this.heardBars = this.heardBars.concat(bar).slice(-64);
  }

  // The line above the roll: where the music is.
  tick() {
    const at = this.time();
    if (at === null) return;
    const line = this.roll.lines.findLast((own) => own.at <= at);
    const chord = this.roll.chordAt(at);
    const tempo = this.bar ? `, ${Math.round(this.bar.tempo)} BPM` : "";
    if (line) this.facts.textContent = `Bar ${line.number + 1}${chord ? `: ${chord.name} (${chord.roman})` : ""}${tempo}`;
    setTimeout(() => this.tick(), 120);
  }

  // ---- notes that come one by one

  line({ number, wait, beat, beats }) {
    if (this.zero === null) return;
    const { player } = this.studio;
    const at = player.context.currentTime + Math.max(0, wait);
    this.roll.lines.push({ at: at - this.zero, number });
    this.roll.forget(at - this.zero);
    if (this.clickBox.control.checked) for (let place = 0; place < beats; place += 1) player.click(at + place * beat, place === 0);
  }

  hearNote({ on, channel, part, pitch, velocity }) {
    const key = `${channel}:${pitch}`;
    this.endNote(key);
    if (!on) return;
    this.sound(key, part, this.programs.get(channel) ?? 0, pitch, velocity);
  }

  // Let a note of a part sound, and draw it, until ``endNote``.
  sound(key, part, program, pitch, velocity) {
    const own = { start: this.time(), end: null, pitch, voice: this.place(part), drums: false };
    this.roll.notes.push(own);
    this.showLegend();
    const note = this.studio.player.strike(program, pitch, velocity);
    const end = () => {
      own.end = this.time() ?? own.start;
      note.then((struck) => struck?.release());
    };
    this.sounding.set(key, { end });
  }

  endNote(key) {
    this.sounding.get(key)?.end();
    this.sounding.delete(key);
  }

  // ---- who plays

  takeKeys() {
    const listens = this.playing && this.role.control.value !== "play";
    this.studio.keys.active = listens && this.keysBox.control.checked;
  }

  releaseKeys() {
    this.studio.keys.releaseAll();
    this.studio.keys.active = false;
  }

  chosen() {
    this.takeKeys();
  }

  left() {
    this.releaseKeys();
  }

  async midi() {
    const count = await this.studio.keys.listen((now) => this.studio.say(`MIDI keyboards: ${now}`, true));
    if (count < 0) this.studio.note("This browser lets no page use MIDI keyboards. Chromium and Firefox do, after asking.", false);
    else if (!count) this.studio.note("No MIDI keyboard is connected.", false);
  }

  heard({ on, pitch, velocity }) {
    if (!this.playing || this.role.control.value === "play") return;
    this.send({ type: "midi", data: [on ? 0x90 : 0x80, pitch, on ? Math.max(1, velocity) : 0] });
    const key = `you:${pitch}`;
    this.endNote(key);
    if (!on) return;
    this.sound(key, "You", 0, pitch, velocity);
  }

  // ---- take away

  recipe() {
    return { task: "play", session: this.session };
  }

  title() {
    return `etude ${this.session.model || "chords"} ${this.session.seed}`;
  }

  file() {
    return { recipe: this.recipe() };
  }

  link() {
    return { recipe: this.recipe(), choice: 0, title: this.title() };
  }

  async open({ recipe }) {
    this.stop();
    this.showSession(recipe.session);
    return this.studio.work("Playing it again", async (options) => {
      const result = await this.studio.connection.json("/api/make", { json: recipe, ...options });
      this.session = recipe.session;
      this.opened = result.candidates[0].piece;
      this.away.element.hidden = false;
      this.showState();
      if (result.differs) this.studio.note(result.differs, true);
      this.studio.say("The music of the link is there: play it with the button below.", true);
      return result;
    });
  }

  playable() {
    if (!this.session || !this.opened) return null;
    return { request: { recipe: this.recipe() }, piece: this.opened, show: () => {}, id: "play" };
  }

  kept() {
    return this.session ? { session: this.session } : null;
  }

  restore({ session }) {
    this.session = session;
    this.showSession(session);
    this.away.element.hidden = false;
    this.showState();
  }
}
