// Undo and redo: states that are never changed, only replaced.

const MOST = 100;

export class History {
  constructor(changed) {
    this.changed = changed;
    this.past = [];
    this.future = [];
  }

  // Keep the state that is left.
  keep(state) {
    this.past.push(state);
    if (this.past.length > MOST) this.past.shift();
    this.future = [];
    this.changed();
  }

  undo(state) {
    if (!this.past.length) return state;
    this.future.push(state);
    const found = this.past.pop();
    this.changed();
    return found;
  }

  redo(state) {
    if (!this.future.length) return state;
    this.past.push(state);
    const found = this.future.pop();
    this.changed();
    return found;
  }
}
