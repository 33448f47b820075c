// The settings of a model that draws voices, with what each does.

import { el, number, select, slider } from "./dom.js";

export class Drawing {
  constructor(studio, count) {
    const { about } = studio;
    this.about = about;
    const models = about.models.filter((model) => model.can.includes("harmonise"));
    this.model = select("Model", models.map(({ name }) => [name, name]), models[0].name);
    this.seed = number("Seed", about.seed, 0, 2 ** 31 - 1, "The same seed gives the same notes.");
    this.candidates = slider("Candidates", count, 1, 8, 1, "How many are drawn. The best by cost comes first, where what the others do counts too.");
    const { settings } = about;
    this.temperature = slider("Variety", settings.temperature, 0.1, 2, 0.1, "Low: what is most probable. High: more surprises.", (v) => v.toFixed(1));
    this.cost = slider("Cost of a parallel", settings.parallel_cost, 0, 30, 1, "In nats, for each parallel fifth or octave. 0 allows them.");
    this.element = el(
      "div",
      { class: "settings" },
      this.model.element,
      this.seed.element,
      this.candidates.element,
      this.temperature.element,
      this.cost.element,
    );
  }

  get() {
    return {
      model: this.model.control.value,
      seed: this.seed.get(),
      settings: {
        ...this.about.settings,
        ...this.more,
        candidates: this.candidates.get(),
        temperature: this.temperature.get(),
        parallel_cost: this.cost.get(),
      },
    };
  }

  set({ model, seed, settings }) {
    this.model.control.value = model;
    this.seed.control.value = seed;
    this.candidates.set(settings.candidates);
    this.temperature.set(settings.temperature);
    this.cost.set(settings.parallel_cost);
    const { particles, sweeps, top_p } = settings; // of a link
    this.more = { particles, sweeps, top_p };
  }

  nextSeed() {
    this.seed.control.value = (this.seed.get() + 1) % 2 ** 31;
  }
}
