// Undo and redo: the states of a tab are never changed, only replaced.

import { button } from "./dom.js";

const MOST = 100;

export class Undoable {
  constructor(studio, state) {
    Object.assign(this, { studio, state, past: [], future: [] });
    this.undoButton = button("Undo", () => this.undo(), { "aria-keyshortcuts": "Control+Z" });
    this.redoButton = button("Redo", () => this.redo(), { "aria-keyshortcuts": "Control+Y" });
  }

  // Go on to a state with some changes.
  set(change) {
    this.past.push(this.state);
    if (this.past.length > MOST) this.past.shift();
    this.future = [];
    this.state = { ...this.state, ...change };
    this.show();
  }

  undo() {
    this.step(this.past, this.future);
  }

  redo() {
    this.step(this.future, this.past);
  }

  step(from, to) {
    if (!from.length) return;
    to.push(this.state);
    this.restore(from.pop());
  }

  // The end of each tab's ``show``.
  shown() {
    this.undoButton.disabled = !this.past.length;
    this.redoButton.disabled = !this.future.length;
    this.studio.save();
  }

  // What the page keeps when it is loaded again, and takes back.
  kept() {
    return this.state;
  }

  restore(state) {
    this.state = state;
    if (state.recipe) this.showRecipe(state.recipe);
    this.show();
  }
}
