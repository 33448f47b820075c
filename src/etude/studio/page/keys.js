// Notes from the computer's keyboard and from MIDI keyboards, and a recording of them on sixteenths.

const ROW = ["KeyA", "KeyW", "KeyS", "KeyE", "KeyD", "KeyF", "KeyT", "KeyG", "KeyY", "KeyH", "KeyU", "KeyJ", "KeyK", "KeyO", "KeyL", "KeyP"];
const NOTE_OFF = 0x80;
const NOTE_ON = 0x90;

export function isTyping(target) {
  return target instanceof Element && target.closest("input:not([type=checkbox], [type=range], [type=radio]), select, textarea, dialog") !== null;
}

export class Keys {
  constructor(hear) {
    this.hear = hear; // ({on, pitch, velocity, time})
    this.active = false; // whether the computer's keys play
    this.octave = 60;
    this.held = new Map();
    addEventListener("keydown", (event) => this.press(event));
    addEventListener("keyup", (event) => this.release(event));
    addEventListener("blur", () => this.releaseAll());
  }

  press(event) {
    if (!this.active || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const place = ROW.indexOf(event.code);
    if (event.code === "KeyZ" || event.code === "KeyX") {
      this.octave = Math.min(84, Math.max(36, this.octave + (event.code === "KeyX" ? 12 : -12)));
      event.preventDefault();
    }
    if (place < 0) return;
    event.preventDefault();
    if (event.repeat || this.held.has(event.code)) return;
    const pitch = this.octave + place;
    this.held.set(event.code, pitch);
    this.hear({ on: true, pitch, velocity: 80, time: event.timeStamp });
  }

  release(event) {
    const pitch = this.held.get(event.code);
    if (pitch === undefined) return;
    this.held.delete(event.code);
    this.hear({ on: false, pitch, velocity: 0, time: event.timeStamp });
  }

  releaseAll() {
    for (const pitch of this.held.values()) this.hear({ on: false, pitch, velocity: 0, time: performance.now() });
    this.held.clear();
  }

  // Listen to all MIDI keyboards. Returns how many there are; -1 where the browser has none or refuses.
  async listen(changed) {
    if (!navigator.requestMIDIAccess) return -1;
    try {
      const access = await navigator.requestMIDIAccess();
      const attach = () => {
        for (const input of access.inputs.values()) input.onmidimessage = (event) => this.midi(event);
        changed(access.inputs.size);
      };
      access.onstatechange = attach;
      attach();
      return access.inputs.size;
    } catch {
      return -1;
    }
  }

  midi({ data, timeStamp }) {
    const [status, pitch, velocity] = data;
    const kind = status & 0xf0;
    if (kind === NOTE_ON && velocity > 0) this.hear({ on: true, pitch, velocity, time: timeStamp });
    else if (kind === NOTE_OFF || kind === NOTE_ON) this.hear({ on: false, pitch, velocity: 0, time: timeStamp });
  }
}

// One line of notes on a grid: each ends where the next starts, if not before.
export class Recording {
  constructor(start, secondsPerStep, ticksPerStep) {
    Object.assign(this, { start, secondsPerStep, ticksPerStep });
    this.notes = []; // [step, end, pitch, velocity]
    this.open = null;
  }

  step(time) {
    return (time / 1000 - this.start) / this.secondsPerStep;
  }

  add({ on, pitch, velocity, time }) {
    const at = Math.round(this.step(time));
    if (this.open && (on || this.open[2] === pitch)) {
      this.open[1] = Math.max(this.open[0] + 1, at);
      this.open = null;
    }
    if (!on || at < 0) return;
    const last = this.notes.at(-1);
    if (last && last[0] === at) this.notes.pop();
    if (last && last[1] > at) last[1] = at;
    this.open = [at, at + 1, pitch, Math.max(1, velocity)];
    this.notes.push(this.open);
  }

  finish(time) {
    if (this.open) this.add({ on: false, pitch: this.open[2], velocity: 0, time });
    return this.notes
      .filter(([start, end]) => end > start)
      .map(([start, end, pitch, velocity]) => [
        start * this.ticksPerStep,
        (end - start) * this.ticksPerStep,
        pitch,
        velocity,
      ]);
  }
}
