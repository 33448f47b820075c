// Arrange: a melody for the band of a style; levels that sound at once.

import { button, checkbox, el, number, select, slider, textField } from "./dom.js";
import { FileDoor } from "./files.js";
import { Undoable } from "./history.js";
import { copy } from "./piece.js";
import { Result } from "./result.js";

const OWN = "style’s own";
const BARS = [["", OWN], ...Array.from({ length: 9 }, (_, bars) => [String(bars), bars === 0 ? "none" : String(bars)])];

export class Arrange extends Undoable {
  id = "arrange";
  name = "Arrange";

  constructor(studio) {
    super(studio, { title: "Song", piece: null, result: null, recipe: null, levels: {} });
  }

  build(panel) {
    const { studio } = this;
    const { about } = studio;
    this.files = new FileDoor(studio, panel, ({ title, piece }) => this.receive({ title, piece }));
    this.style = select("Style", about.styles.map(({ name }) => [name, name]), about.styles[0].name);
    this.styleNote = el("small", { class: "hint" });
    this.style.control.addEventListener("change", () => this.showStyle());
    this.form = textField("Form", "", "Equal letters are equal phrases. Empty: as the melody shows it.", "AABA");
    this.choruses = number("Choruses", 1, 1, 8, "How many times the tune is played.");
    this.intro = select("Intro, in bars", BARS, "");
    this.ending = select("Ending, in bars", BARS, "");
    this.humanise = slider("Humanise", 1, 0, 3, 0.1, "How freely the band plays. 0: exactly as written, without swing.", (v) => v.toFixed(1));
    this.chords = textField("Chords", "", "Bar by bar. Empty: those of the piece, or chosen for the melody.", "C | Am | F | G7");
    this.topLine = checkbox("Take the top line", false, "Where several notes of the melody sound at a time.");
    this.seed = number("Seed", about.seed, 0, 2 ** 31 - 1, "The same seed gives the same performance.");
    this.goButton = button("Arrange", () => this.arrange(), { class: "primary" });
    this.result = new Result(studio, "Arrangement", "view", {
      choose: () => {},
      model: () => null,
      score: () => ({ recipe: this.state.recipe }),
      title: () => this.state.title,
      file: () => ({ recipe: this.state.recipe, levels: this.plainLevels() }),
      link: () => ({
        recipe: { ...this.state.recipe, key: this.state.result.model.key },
        choice: 0,
        title: this.state.title,
        levels: this.plainLevels(),
      }),
    });
    this.mixer = el("div", { class: "mixer" });
    this.mixerBox = el(
      "section",
      { class: "card", "aria-label": "Levels" },
      el("div", { class: "head" }, el("h3", { text: "Levels" }), button("As the style has them", () => this.resetLevels())),
      el("p", { class: "hint", text: "They sound at once, and hold for MIDI and mp3." }),
      this.mixer,
    );
    this.sections = el("p", { class: "facts" });
    this.empty = el("p", { class: "empty", text: "No melody is open. Hand one over from Harmonise or Fill, or open or drop a file." });
    this.more = el("div", { class: "stack second", hidden: true }, this.mixerBox, this.result.scoreBox, this.result.away.element);
    panel.append(
      el(
        "div",
        { class: "columns" },
        el(
          "div",
          { class: "first" },
          el(
            "section",
            { class: "card", "aria-label": "Song" },
            el("div", { class: "head" }, el("h2", { text: "Song" }), this.result.facts, this.sections, this.result.legend),
            el("div", { class: "row tools" }, this.files.element, this.undoButton, this.redoButton),
            this.empty,
            (this.box = el("div", { hidden: true }, this.result.roll.element)),
          ),
        ),
        el(
          "section",
          { class: "card side", "aria-label": "The band" },
          el("h2", { text: "Band" }),
          this.style.element,
          this.styleNote,
          this.form.element,
          el("div", { class: "row fields" }, this.choruses.element, this.seed.element),
          el("div", { class: "row fields" }, this.intro.element, this.ending.element),
          this.humanise.element,
          this.chords.element,
          this.topLine.element,
          el("div", { class: "row go" }, this.goButton),
        ),
        this.more,
      ),
    );
    this.showStyle();
    this.show();
  }

  showStyle() {
    const found = this.studio.about.styles.find(({ name }) => name === this.style.control.value);
    this.styleNote.textContent = `${found.parts.join(", ")}; ${found.tempo} BPM where the melody states no tempo`;
  }

  show() {
    const { piece, result, title } = this.state;
    this.empty.hidden = Boolean(piece);
    this.box.hidden = !piece;
    this.more.hidden = !result;
    this.goButton.disabled = !piece;
    if (result) {
      this.result.show(result, 0);
      this.result.candidates.hidden = true;
      const found = result.candidates[0];
      const names = found.sections.map(([, kind, letter]) => letter || kind);
      this.sections.textContent = `${names.join(" · ")}; chords: ${result.chords_from}`;
      this.listLevels();
    } else if (piece) {
      this.result.roll.show(piece);
      this.sections.textContent = "";
      this.result.facts.textContent = `${title}, not arranged yet`;
      this.result.legend.replaceChildren();
    }
    this.shown();
  }

  listLevels() {
    if (this.listed === this.state.levels) return;
    this.listed = this.state.levels;
    this.mixer.replaceChildren(
      ...Object.entries(this.state.levels).map(([name, level], place) => {
        const change = (own) => {
          this.state.levels[name] = Object.assign(level, own);
          this.studio.player.setLevels(this.heardLevels());
          this.studio.save();
        };
        const gain = slider("Level", level.gain, -30, 9, 0.5, "", (v) => `${v.toFixed(1)} dB`, (value) => change({ gain: value }));
        const side = (v) => (Math.abs(v) < 0.05 ? "middle" : `${Math.round(Math.abs(v) * 100)} % ${v < 0 ? "left" : "right"}`);
        const pan = slider("Place", level.pan, -1, 1, 0.05, "", side, (value) => change({ pan: value }));
        const mute = el("input", { type: "checkbox", checked: level.mute });
        mute.addEventListener("change", () => change({ mute: mute.checked }));
        return el(
          "fieldset",
          { class: "part" },
          el("legend", { class: `voice-${place % 8}`, text: name }),
          gain.element,
          pan.element,
          el("label", { class: "mute" }, mute, " Mute"),
        );
      }),
    );
  }

  plainLevels() {
    return Object.fromEntries(Object.entries(this.state.levels).map(([name, { gain, pan, mute }]) => [name, { gain, pan, mute }]));
  }

  // The levels for the player, each with the gain that its sound was rendered with.
  heardLevels() {
    const base = this.state.result.levels;
    return Object.fromEntries(Object.entries(this.state.levels).map(([name, level]) => [name, { ...level, base: base[name].gain }]));
  }

  resetLevels() {
    this.set({ levels: copy(this.state.result.levels) });
    this.studio.player.setLevels(this.heardLevels());
  }

  async receive({ title, piece }) {
    this.set({ title, piece, result: null, recipe: null, levels: {} });
  }

  recipe() {
    const bars = (value) => (value === "" ? null : Number(value));
    return {
      task: "arrange",
      style: this.style.control.value,
      seed: this.seed.get(),
      piece: this.state.piece,
      form: this.form.control.value.trim() || null,
      choruses: this.choruses.get(),
      intro: bars(this.intro.control.value),
      ending: bars(this.ending.control.value),
      humanise: this.humanise.get(),
      chords: this.chords.control.value.trim() || null,
      top_line: this.topLine.control.checked,
    };
  }

  arrange(recipe = this.recipe(), levels = null) {
    return this.studio.work("Arranging", async (options) => {
      const playing = this.studio.isPlaying("arrange");
      const result = await this.studio.connection.json("/api/make", { json: recipe, ...options });
      const own = copy(result.levels);
      for (const [name, level] of Object.entries(levels ?? {})) if (own[name]) Object.assign(own[name], level);
      this.set({ piece: recipe.piece, result, recipe, levels: own });
      this.studio.say(`Arranged for ${Object.keys(own).join(", ")}.`);
      if (playing) this.studio.play(this.playable());
      return result;
    });
  }

  playable() {
    const { piece, result, recipe } = this.state;
    if (result) {
      const played = result.candidates[0].piece;
      return { request: { recipe }, piece: played, levels: this.heardLevels(), ...this.result.shows(), id: "arrange" };
    }
    return piece ? { request: { piece }, piece, show: (tick) => this.result.roll.play(tick), id: "song" } : null;
  }

  showRecipe(recipe) {
    this.style.control.value = recipe.style;
    this.form.control.value = recipe.form ?? "";
    this.choruses.control.value = recipe.choruses ?? 1;
    this.intro.control.value = recipe.intro ?? "";
    this.ending.control.value = recipe.ending ?? "";
    this.humanise.set(recipe.humanise ?? 1);
    this.chords.control.value = recipe.chords ?? "";
    this.seed.control.value = recipe.seed;
    this.topLine.control.checked = recipe.top_line ?? false;
    this.showStyle();
  }

  async open({ recipe, title, levels }) {
    this.showRecipe(recipe);
    this.state = { ...this.state, title };
    return this.arrange(recipe, levels);
  }
}
