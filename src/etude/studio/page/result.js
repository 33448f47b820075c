// What came back: candidates to choose from, the roll, the chords, the score, broken rules, and files.

import { el, newId } from "./dom.js";
import { Roll } from "./roll.js";
import { TakeAway } from "./takeaway.js";

const WAIT = 250; // milliseconds before a score is engraved
const PARALLELS = ["parallel fifths", "parallel octaves"];
const SIGNS = { "parallel fifths": "5", "parallel octaves": "8" };

function plural(count, name, names = `${name}s`) {
  return count === 0 ? `no ${names}` : count === 1 ? `1 ${name}` : `${count} ${names}`;
}

export class Result {
  // `mode` is that of the roll; `hear` hears of its edits and of `choose(place)`; `ask(kind)` gives what a file is made of.
  constructor(studio, label, mode, hear) {
    Object.assign(this, { studio, hear, result: null, choice: 0 });
    this.roll = new Roll(label, mode, hear, studio.say);
    this.choices = el("div", { class: "choices" });
    this.candidates = el("fieldset", { class: "candidates" }, el("legend", { text: "Candidates, the best first" }), this.choices);
    this.legend = el("ul", { class: "legend", "aria-label": "Voices" });
    this.facts = el("p", { class: "facts" });
    this.score = el("div", { class: "score", role: "img", "aria-label": "Score" });
    this.scoreBox = el("section", { class: "card", "aria-label": "Score" }, el("h3", { text: "Score" }), this.score);
    this.rules = el("ul", { class: "rules" });
    this.rulesTitle = el("h3", { text: "Part-writing" });
    this.otherRules = el("ul", { class: "rules" });
    this.othersTitle = el("summary");
    this.others = el("details", {}, this.othersTitle, this.otherRules);
    this.rulesBox = el("section", { class: "card", "aria-label": "Part-writing" }, this.rulesTitle, this.rules, this.others);
    const about = "A link holds the model, the settings, the seed and your notes. It gives the same piece again, in any studio with the same model.";
    this.away = new TakeAway(studio, hear, about, "Link to this piece");
  }

  get current() {
    return this.result?.candidates[this.choice] ?? null;
  }

  show(result, choice, { locked = new Set(), view = null, note = "" } = {}) {
    const before = this.result;
    this.result = result;
    this.choice = choice;
    this.view = view;
    if (before !== result) this.listCandidates();
    for (const input of this.choices.querySelectorAll("input")) input.checked = Number(input.value) === choice;
    const shown = this.current;
    if (!shown) return;
    const piece = view ?? shown.piece;
    this.roll.show(piece, { bars: shown.bars, chords: view ? [] : shown.chords, locked, key: shown.key });
    this.legend.replaceChildren(
      ...piece.tracks.map((track, place) => el("li", { class: `voice-${place % 8}`, text: `${track.name || `Track ${place + 1}`}${track.drums ? " (not drawn)" : ""}` })),
    );
    this.facts.textContent = note || `${shown.key.name}; ${plural(shown.bars.length, "bar")}`;
    this.listRules(shown, Boolean(view));
    this.away.linkField.hidden = true;
    this.engrave(piece);
  }

  listCandidates() {
    const name = newId("candidate");
    const several = this.result.candidates.length > 1;
    this.candidates.hidden = !several && this.result.candidates[0].nats === undefined;
    this.choices.replaceChildren(
      ...this.result.candidates.map((candidate, place) => {
        const others = candidate.faults.filter((fault) => !PARALLELS.includes(fault.kind)).length;
        const parallels = candidate.faults.length - others;
        const input = el("input", { type: "radio", name, value: place, onchange: () => this.hear.choose(place) });
        return el(
          "label",
          { class: "candidate" },
          input,
          el("b", { text: String(place + 1) }),
          candidate.nats === undefined ? null : el("span", { class: "nats", text: `${candidate.nats.toFixed(1)} nats` }),
          el("span", { class: parallels ? "bad" : "good", text: `${parallels ? "⚠ " : "✓ "}${plural(parallels, "parallel")}` }),
          el("span", { text: plural(others, "other") }),
        );
      }),
    );
  }

  listRules(shown, edited) {
    const parallels = shown.faults.filter((fault) => PARALLELS.includes(fault.kind));
    const others = shown.faults.filter((fault) => !PARALLELS.includes(fault.kind));
    const row = (fault) => {
      const sign = SIGNS[fault.kind];
      return el("li", { class: sign ? "parallel" : "" }, el("span", { class: "sign", text: sign ?? "·", "aria-hidden": "true" }), fault.text);
    };
    const kinds = Object.keys(shown.counts).sort((a, b) => PARALLELS.includes(b) - PARALLELS.includes(a));
    const what = kinds.length ? kinds.map((kind) => `${shown.counts[kind]} × ${kind}`).join(", ") : "no rule is broken";
    this.rulesTitle.textContent = `Part-writing: ${edited ? "draw again to judge your changes" : what}`;
    this.rules.replaceChildren(...(edited ? [] : parallels.map(row)));
    this.otherRules.replaceChildren(...(edited ? [] : others.map(row)));
    this.others.hidden = edited || !others.length;
    this.othersTitle.textContent = `${plural(others.length, "other")}, in words`;
    this.rulesBox.hidden = !shown.judged;
  }

  // Engrave the score after a moment: a person may be going through the candidates.
  engrave(piece) {
    clearTimeout(this.waiting);
    this.engraving?.abort();
    const request = this.hear.score ? this.hear.score() : { piece, model: this.hear.model() };
    const key = JSON.stringify(request);
    if (key === this.engraved) return;
    this.notes = [];
    this.score.classList.add("old");
    this.waiting = setTimeout(async () => {
      const signal = (this.engraving = new AbortController()).signal;
      try {
        const width = Math.round(this.score.clientWidth) || 900;
        const json = { ...request, title: this.hear.title(), width };
        const made = await this.studio.connection.json("/api/score", { json, signal });
        const drawing = new DOMParser().parseFromString(made.svg, "image/svg+xml").documentElement;
        this.score.replaceChildren(document.importNode(drawing, true));
        this.notes = made.notes.map(([id, staff, start, end]) => ({ node: this.score.querySelector(`[id="${id}"]`), staff, start, end }));
        this.engraved = key;
        this.score.classList.remove("old");
      } catch (error) {
        if (error.name !== "AbortError") this.studio.fail(error);
      }
    }, WAIT);
  }

  // What follows the sound, for the transport.
  shows() {
    return { show: (tick) => this.play(tick), chordAt: (tick) => this.roll.chordAt(tick) };
  }

  // The tick that is heard now; null where nothing plays.
  play(tick) {
    this.roll.play(tick);
    const quarters = tick === null ? null : tick / this.roll.piece.quarter;
    for (const note of this.notes ?? []) {
      const sounds = quarters !== null && note.start <= quarters && quarters < note.end;
      if (sounds !== note.sounds) note.node?.classList.toggle("sounds", sounds);
      note.sounds = sounds;
    }
  }
}
