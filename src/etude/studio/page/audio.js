// Sound: what the server rendered, scheduled by Web Audio; levels of parts; a meter; clicks and single notes.

import { Refused } from "./connection.js";

const AHEAD = 0.06; // seconds between a press and the first sample
const KEPT = 6; // sounds that are kept decoded
const LOWEST = 43; // pitch of the first of the single notes
const HIGHEST = 91;
const SPACING = 0.5; // seconds between two of them
const BANK = { low: 30, high: 96, step: 3 }; // pitches of an instrument's notes
const RAMP = 0.02; // seconds in which a level changes

export class Player {
  constructor(connection) {
    this.connection = connection;
    this.kept = new Map(); // key -> [{name, buffer}]
    this.playing = null;
    this.watchers = new Set();
    this.clicks = new Set();
    this.volume = 0.9;
  }

  get context() {
    if (!this.own) {
      this.own = new AudioContext();
      this.master = new GainNode(this.own, { gain: this.volume });
      this.analyser = new AnalyserNode(this.own, { fftSize: 2048 });
      this.master.connect(this.analyser).connect(this.own.destination);
      this.samples = new Float32Array(this.analyser.fftSize);
    }
    return this.own;
  }

  // The level of what sounds now: the root of the mean square, from 0 to 1.
  level() {
    if (!this.own) return 0;
    this.analyser.getFloatTimeDomainData(this.samples);
    let sum = 0;
    for (const sample of this.samples) sum += sample * sample;
    return Math.sqrt(sum / this.samples.length);
  }

  setVolume(volume) {
    this.volume = volume;
    if (this.own) this.master.gain.setTargetAtTime(volume, this.own.currentTime, RAMP);
  }

  async load(request, signal) {
    const key = JSON.stringify(request);
    if (!this.kept.has(key)) {
      const answer = await this.connection.ask("/api/sound", { json: request, signal });
      const data = await answer.arrayBuffer();
      const size = new DataView(data).getUint32(0);
      const listed = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, size)));
      let place = 4 + size;
      const parts = [];
      for (const { name, bytes } of listed) {
        parts.push({ name, buffer: await this.context.decodeAudioData(data.slice(place, place + bytes)) });
        place += bytes;
      }
      this.kept.set(key, parts);
      if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
    }
    return this.kept.get(key);
  }

  // Play what a request to the server gives. `levels` are those of its parts: name -> {gain, pan, mute, base}.
  async play(request, { from = 0, levels = null, id = null, until = null } = {}) {
    this.stop();
    const { context } = this;
    await context.resume();
    const asked = (this.asked = {});
    const aborted = (this.loading = new AbortController());
    this.tell("loading", id);
    let parts;
    try {
      parts = await this.load(request, aborted.signal);
    } catch (error) {
      if (this.asked === asked) this.tell("stopped", id);
      if (error.name === "AbortError") return;
      throw error instanceof Refused ? error : new Refused("The sound could not be read. Try again.", 0);
    }
    if (this.asked !== asked) return;
    const start = context.currentTime + AHEAD;
    const channels = new Map();
    let left = 0;
    for (const { name, buffer } of parts) {
      const source = new AudioBufferSourceNode(context, { buffer });
      const channel = makeChannel(context);
      source.connect(channel.input);
      channel.output.connect(this.master);
      channels.set(name, channel);
      if (from < buffer.duration) {
        left += 1;
        source.start(start, from, ...(until === null ? [] : [Math.max(0.01, until - from)]));
        source.addEventListener("ended", () => {
          left -= 1;
          if (left === 0 && this.playing?.asked === asked) this.stop();
        });
      }
      channel.source = source;
    }
    this.playing = { asked, id, start, from, channels };
    if (levels) this.setLevels(levels, true);
    this.tell("playing", id);
  }

  setLevels(levels, atOnce = false) {
    for (const [name, channel] of this.playing?.channels ?? []) {
      const level = levels[name];
      if (level) channel.set(level.mute ? 0 : 10 ** ((level.gain - level.base) / 20), level.pan, atOnce);
    }
  }

  stop() {
    this.asked = null;
    this.loading?.abort();
    this.loading = null;
    const { playing } = this;
    this.playing = null;
    for (const channel of playing?.channels.values() ?? []) {
      try {
        channel.source.stop();
      } catch {
        // it never started
      }
      channel.output.disconnect();
    }
    if (playing) this.tell("stopped", playing.id);
  }

  // Seconds into the sound that are heard now; null where none plays.
  position() {
    if (!this.playing) return null;
    const late = this.own.outputLatency || 0;
    return Math.max(this.playing.from, this.playing.from + this.own.currentTime - late - this.playing.start);
  }

  onChange(watch) {
    this.watchers.add(watch);
  }

  tell(state, id) {
    for (const watch of this.watchers) watch(state, id);
  }

  // One note of the soundfont, as soon as its samples are there.
  async note(pitch, seconds = 0.42) {
    const { context } = this;
    await context.resume();
    this.notes ??= this.loadNotes();
    const buffer = await this.notes;
    if (!buffer || pitch < LOWEST || pitch > HIGHEST) return;
    const source = new AudioBufferSourceNode(context, { buffer });
    const fade = new GainNode(context, { gain: 0.8 });
    source.connect(fade).connect(this.master);
    const now = context.currentTime;
    source.start(now, (pitch - LOWEST) * SPACING, seconds);
    fade.gain.setTargetAtTime(0, now + seconds * 0.7, seconds * 0.1);
  }

  // The notes of a piano, one after the other in one sound. Without them the page goes on.
  async loadNotes() {
    const notes = [];
    for (let step = 0; step <= HIGHEST - LOWEST; step += 1) notes.push([step * 4, 3, LOWEST + step, 90]);
    const piece = { quarter: 4, tempos: [[0, 120]], tracks: [{ name: "Keys", program: 0, drums: false, notes }] };
    try {
      const [{ buffer }] = await this.load({ piece });
      this.kept.delete(JSON.stringify({ piece }));
      return buffer;
    } catch {
      this.notes = null;
      return null;
    }
  }

  // Every third note of an instrument, long ones, in one sound; null where the server does not give it.
  bank(program) {
    this.banks ??= new Map();
    if (!this.banks.has(program)) this.banks.set(program, this.loadBank(program));
    return this.banks.get(program);
  }

  async loadBank(program) {
    const notes = [];
    for (let pitch = BANK.low; pitch <= BANK.high; pitch += BANK.step) notes.push([((pitch - BANK.low) / BANK.step) * 6, 5, pitch, 90]);
    const piece = { quarter: 2, tempos: [[0, 60]], tracks: [{ name: "Keys", program, drums: false, notes }] };
    try {
      const [{ buffer }] = await this.load({ piece });
      this.kept.delete(JSON.stringify({ piece }));
      return buffer;
    } catch {
      this.banks.delete(program);
      return null;
    }
  }

  // Let a note of an instrument sound until it is released.
  async strike(program, pitch, velocity) {
    const { context } = this;
    const buffer = await this.bank(program);
    if (!buffer) return null;
    const base = BANK.low + BANK.step * Math.round((Math.min(BANK.high, Math.max(BANK.low, pitch)) - BANK.low) / BANK.step);
    const source = new AudioBufferSourceNode(context, { buffer, playbackRate: 2 ** ((pitch - base) / 12) });
    const fade = new GainNode(context, { gain: 0.25 + (0.5 * velocity) / 127 });
    source.connect(fade).connect(this.master);
    source.start(context.currentTime, ((base - BANK.low) / BANK.step) * 3, 2.9);
    return { release: () => fade.gain.setTargetAtTime(0, context.currentTime, 0.06) };
  }

  click(time, accent) {
    const { context } = this;
    const wave = new OscillatorNode(context, { frequency: accent ? 1600 : 1100 });
    const fade = new GainNode(context, { gain: 0.25 });
    wave.connect(fade).connect(this.master);
    wave.start(time);
    fade.gain.setTargetAtTime(0, time + 0.01, 0.015);
    wave.stop(time + 0.12);
    this.clicks.add(wave);
    wave.addEventListener("ended", () => this.clicks.delete(wave));
  }

  silenceClicks() {
    for (const wave of this.clicks) wave.disconnect();
    this.clicks.clear();
  }
}

// The gain and the pan of a part, by the law of the server's mix: the squares of both sides add up to 2.
function makeChannel(context) {
  const input = new ChannelSplitterNode(context, { numberOfOutputs: 2 });
  const sides = [0, 1].map(() => new GainNode(context));
  const output = new ChannelMergerNode(context, { numberOfInputs: 2 });
  sides.forEach((side, place) => input.connect(side, place).connect(output, 0, place));
  const set = (gain, pan, atOnce) => {
    const angle = ((pan + 1) * Math.PI) / 4;
    [Math.cos(angle), Math.sin(angle)].forEach((share, place) => {
      const wanted = gain * share * Math.SQRT2;
      if (atOnce) sides[place].gain.value = wanted;
      else sides[place].gain.setTargetAtTime(wanted, context.currentTime, RAMP);
    });
  };
  return { input, output, set };
}
