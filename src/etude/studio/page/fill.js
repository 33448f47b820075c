// Fill: bars of a piece are selected in the roll and drawn again, or bars are added to its end.

import { button, checkbox, el, number, select } from "./dom.js";
import { Drawing } from "./drawing.js";
import { FileDoor } from "./files.js";
import { Undoable } from "./history.js";
import { copy, secondsOf } from "./piece.js";
import { Result } from "./result.js";

export class Fill extends Undoable {
  id = "fill";
  name = "Fill";

  constructor(studio) {
    super(studio, { title: "Piece", result: null, choice: 0, recipe: null, range: [1, 1] });
  }

  build(panel) {
    const { studio } = this;
    this.files = new FileDoor(studio, panel, ({ title, piece }) => this.receive({ title, piece }));
    this.drawing = new Drawing(studio, 3);
    this.result = new Result(studio, "Piece", "bars", {
      choose: (choice) => this.choose(choice),
      range: (first, last) => this.select(first, last, true),
      model: () => this.drawing.get().model,
      title: () => this.state.title,
      file: () => ({ piece: this.piece }),
      link: () => this.link(),
    });
    this.first = number("From bar", 1, 1, 999);
    this.last = number("To bar", 1, 1, 999);
    // What is typed stays: where the two cross, the other one follows.
    this.first.control.addEventListener("change", () => this.select(this.first.get(), Math.max(this.first.get(), this.last.get())));
    this.last.control.addEventListener("change", () => this.select(Math.min(this.first.get(), this.last.get()), this.last.get()));
    this.voices = el("div", { class: "row" });
    this.drawing.model.control.addEventListener("change", () => this.listVoices());
    this.listVoices();
    const continuing = studio.about.models.filter((model) => model.can.includes("continue"));
    this.adder = select("Model", continuing.map(({ name }) => [name, name]), continuing[0]?.name);
    this.bars = number("Bars to add", 4, 1, 32);
    this.goButton = button("Draw these bars again", () => this.fill(), { class: "primary" });
    this.result.away.next.append(
      button("Harmonise its melody →", () => studio.handOver("harmonise", this.handed())),
      button("Arrange it →", () => studio.handOver("arrange", this.handed())),
    );
    this.empty = el("p", { class: "empty", text: "No piece is open. Hand one over from Harmonise, or open or drop a file with the voices Soprano, Alto, Tenor and Bass." });
    this.box = el(
      "div",
      { class: "stack", hidden: true },
      this.result.candidates,
      this.result.roll.element,
      el("p", { class: "hint", text: "Drag over bars to select them, or use the arrow keys with Shift. Play starts there." }),
    );
    this.more = el("div", { class: "stack second", hidden: true }, this.result.scoreBox, this.result.rulesBox, this.result.away.element);
    this.side = el(
      "section",
      { class: "card side", "aria-label": "What to draw again" },
      el("h2", { text: "What" }),
      el("div", { class: "row fields" }, this.first.element, this.last.element),
      el("fieldset", {}, el("legend", { text: "Voices that are drawn again" }), this.voices),
      this.drawing.element,
      el(
        "div",
        { class: "row go" },
        this.goButton,
        button("With the next seed", () => {
          this.drawing.nextSeed();
          this.again();
        }),
      ),
      el(
        "details",
        { hidden: !continuing.length },
        el("summary", { text: "Add bars to the end" }),
        this.adder.element,
        this.bars.element,
        (this.addButton = button("Add bars", () => this.addBars())),
      ),
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
            { class: "card", "aria-label": "Piece" },
            el("div", { class: "head" }, el("h2", { text: "Piece" }), this.result.facts, this.result.legend),
            el("div", { class: "row tools" }, this.files.element, this.undoButton, this.redoButton),
            this.empty,
            this.box,
          ),
        ),
        this.side,
        this.more,
      ),
    );
    this.show();
  }

  get piece() {
    return this.result.current?.piece;
  }

  handed() {
    return { title: this.state.title, piece: copy(this.piece) };
  }

  listVoices() {
    const model = this.studio.about.models.find(({ name }) => name === this.drawing.model.control.value);
    this.boxes = model.voices.map((name, place) => [name, checkbox(name, place > 0)]);
    this.voices.replaceChildren(...this.boxes.map(([, box]) => box.element));
  }

  show() {
    const { result, choice, range, title } = this.state;
    this.empty.hidden = Boolean(result);
    this.box.hidden = this.more.hidden = !result;
    this.goButton.disabled = this.addButton.disabled = !result;
    if (result) {
      const count = result.candidates[choice].bars.length;
      this.state.range = range.map((bar) => Math.min(bar, count));
      this.result.roll.range = this.state.range;
      this.result.show(result, choice, {});
      this.result.facts.textContent = `${title}: ${this.result.facts.textContent}`;
      this.select(...this.state.range, true);
    }
    this.shown();
  }

  select(first, last, fromRoll = false) {
    const count = this.result.current?.bars.length ?? 1;
    const range = [Math.min(first, count), Math.min(last, count)];
    this.state = { ...this.state, range };
    [this.first.control.value, this.last.control.value] = range;
    this.goButton.textContent = range[0] === range[1] ? `Draw bar ${range[0]} again` : `Draw bars ${range[0]}–${range[1]} again`;
    if (!fromRoll) this.result.roll.setRange(...range);
    else this.studio.say(range[0] === range[1] ? `bar ${range[0]}` : `bars ${range[0]} to ${range[1]}`);
  }

  async receive({ title, piece }) {
    await this.studio.work(`Looking at ${title}`, async (options) => {
      const json = { piece, model: this.drawing.get().model };
      const described = await this.studio.connection.json("/api/describe", { json, ...options });
      this.set({ title, result: { candidates: [described], model: null }, choice: 0, recipe: null, range: [1, 1] });
    });
  }

  recipe() {
    return {
      task: "fill",
      ...this.drawing.get(),
      piece: this.piece,
      bars: this.state.range,
      voices: this.boxes.filter(([, box]) => box.control.checked).map(([name]) => name),
    };
  }

  fill(recipe = this.recipe()) {
    return this.make(recipe, `Drawing bars ${recipe.bars[0]} to ${recipe.bars[1]} again`);
  }

  // The same bars of the same piece once more, with another seed.
  again() {
    const { recipe } = this.state;
    const same = recipe?.task === "fill" && String(recipe.bars) === String(this.state.range);
    return this.fill(same ? { ...this.recipe(), piece: recipe.piece } : this.recipe());
  }

  addBars() {
    const model = this.adder.control.value;
    const { temperatures, top_p } = this.studio.about.continue;
    const { seed } = this.drawing.get();
    const recipe = { task: "continue", model, seed, piece: this.piece, bars: this.bars.get(), temperature: temperatures[model], top_p };
    return this.make(recipe, `Adding ${recipe.bars} bars`);
  }

  make(recipe, label) {
    return this.studio.work(label, async (options) => {
      const result = await this.studio.connection.json("/api/make", { json: recipe, ...options });
      this.set({ result, choice: 0, recipe });
      this.studio.say(`${label}: done.`);
      return result;
    });
  }

  choose(choice) {
    const playing = this.studio.isPlaying("fill");
    this.set({ choice });
    if (playing) this.studio.play(this.playable());
  }

  // Play starts at the selected bars.
  playable() {
    const { piece } = this;
    if (!piece) return null;
    const from = secondsOf(piece, this.result.current.bars[this.state.range[0] - 1][0]);
    return { request: { piece }, piece, from, ...this.result.shows(), id: "fill" };
  }

  link() {
    const { recipe, result, choice, title } = this.state;
    if (!recipe) throw new Error("Draw some bars again before you take a link: it gives what was drawn.");
    return { recipe: { ...recipe, key: result.model.key }, choice, title };
  }

  showRecipe(recipe) {
    if (recipe.task !== "fill") return;
    this.drawing.set(recipe);
    this.listVoices();
    for (const [name, box] of this.boxes) box.control.checked = recipe.voices.includes(name);
  }

  async open({ recipe, choice, title }) {
    this.showRecipe(recipe);
    this.state = { ...this.state, title, range: recipe.task === "fill" ? recipe.bars : [1, 1] };
    const result = await this.make(recipe, "Drawing");
    if (result && choice) this.choose(Math.min(choice, result.candidates.length - 1));
    return result;
  }
}
