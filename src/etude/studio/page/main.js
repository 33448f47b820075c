// The shell of the page: tabs, status, transport, links, and what is kept when it is loaded again.

import { Arrange } from "./arrange.js";
import { Player } from "./audio.js";
import { AWAY, Connection, MOVED } from "./connection.js";
import { el } from "./dom.js";
import { Fill } from "./fill.js";
import { Harmonise } from "./harmonise.js";
import { isTyping, Keys } from "./keys.js";
import { barsOf, sayPlace, tickOf } from "./piece.js";
import { Play } from "./play.js";
import { readLink } from "./recipe.js";

// One module a tab: a class with id, name and build(panel). What it may have besides: chosen() and left(), as its panel is
// shown and hidden; heard(note) of keyboards; playable() for the transport; undo() and redo(); receive(piece) from another
// tab; open(link); kept() and restore(state), for when the page is loaded again.
const TABS = [Play, Harmonise, Fill, Arrange];
const KEPT = "etude-studio";
const SAVES = 300; // milliseconds
const TASKS = { harmonise: "harmonise", fill: "fill", continue: "fill", arrange: "arrange", play: "play" }; // task of a link -> tab
const NOTED = 8000; // milliseconds that a note stays which says nothing wrong
const METER = -60; // dB of its lower end
const find = (id) => document.getElementById(id);

class Studio {
  constructor() {
    this.connection = new Connection();
    this.player = new Player(this.connection);
    this.keys = new Keys((note) => this.tab?.heard?.(note));
    this.working = 0;
    this.say = this.say.bind(this);
  }

  async start() {
    this.connection.onState((state, again) => this.showState(state, again));
    this.about = await this.patiently(() => this.connection.json("/api/state"));
    this.tabs = TABS.map((Tab) => new Tab(this));
    this.buildTabs();
    this.buildTransport();
    this.restore();
    find("loading").remove();
    addEventListener("keydown", (event) => this.shortcut(event));
    addEventListener("hashchange", () => this.openAddress());
    await this.openAddress();
    document.documentElement.dataset.ready = "yes";
  }

  async patiently(work) {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        find("loading").textContent = error.message;
        await new Promise((resolve) => setTimeout(resolve, 1500));
      }
    }
  }

  // ---- tabs

  buildTabs() {
    const list = find("tabs");
    for (const tab of this.tabs) {
      tab.button = el("button", {
        type: "button",
        role: "tab",
        id: `tab-${tab.id}`,
        "aria-controls": `panel-${tab.id}`,
        text: tab.name,
        onclick: () => this.choose(tab),
      });
      tab.panel = el("section", { role: "tabpanel", id: `panel-${tab.id}`, "aria-labelledby": `tab-${tab.id}`, hidden: true });
      list.append(tab.button);
      find("panels").append(tab.panel);
      tab.build(tab.panel);
    }
    list.addEventListener("keydown", (event) => {
      const place = this.tabs.indexOf(this.tab);
      const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: this.tabs.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.choose(this.tabs[(to + this.tabs.length) % this.tabs.length]);
      this.tab.button.focus();
    });
    this.choose(this.tabs[0]);
  }

  tabOf(id) {
    return this.tabs.find((own) => own.id === id);
  }

  choose(tab) {
    if (this.tab && this.tab !== tab) this.tab.left?.();
    this.tab = tab;
    for (const own of this.tabs) {
      own.button.setAttribute("aria-selected", String(own === tab));
      own.button.tabIndex = own === tab ? 0 : -1;
      own.panel.hidden = own !== tab;
    }
    tab.chosen?.();
    this.save();
  }

  async handOver(id, what) {
    const tab = this.tabOf(id);
    this.player.stop();
    this.choose(tab);
    tab.button.focus();
    await tab.receive(what);
    this.say(`${what.title} is now in ${tab.name}.`);
  }

  // ---- what the page says

  say(text, visibly = false) {
    find("live").textContent = text;
    if (visibly) this.note(text, false);
  }

  note(text, wrong) {
    find("note-text").textContent = text;
    const box = find("note");
    box.className = wrong ? "toast wrong" : "toast";
    box.hidden = !text;
    clearTimeout(this.fading);
    if (!wrong) this.fading = setTimeout(() => (box.hidden = true), NOTED);
  }

  fail(error) {
    if (error.name === "AbortError") return;
    this.note(error.message, true);
  }

  showState(state, again) {
    const box = find("status");
    const text = { connecting: "Connecting …", there: "Ready", away: "Away", moved: "New address" }[state];
    box.dataset.state = state;
    box.textContent = text;
    const away = find("away");
    away.textContent = { away: AWAY, moved: MOVED }[state] ?? "";
    away.hidden = !away.textContent;
    if (state === "there" && again) this.say("The studio is back.", true);
  }

  // Do something that takes a while: say what, show how much is done, let it be ended, say what went wrong.
  async work(what, work) {
    const bar = find("work");
    const progress = find("progress");
    const cancel = new AbortController();
    this.cancelling = cancel;
    this.working += 1;
    const start = setTimeout(() => {
      bar.hidden = false;
      find("work-what").textContent = `${what} …`;
      progress.removeAttribute("value");
    }, 150);
    find("note").hidden = true;
    try {
      return await work({
        signal: cancel.signal,
        progress: (doing, share) => {
          if (doing === "waiting") find("work-what").textContent = `${what}: it waits its turn …`;
          else {
            progress.value = share;
            find("work-what").textContent = `${what}: ${Math.round(share * 100)} %`;
          }
        },
      });
    } catch (error) {
      this.fail(error);
      return null;
    } finally {
      clearTimeout(start);
      this.working -= 1;
      if (!this.working) bar.hidden = true;
    }
  }

  // ---- sound

  buildTransport() {
    this.playButton = find("play");
    this.playButton.addEventListener("click", () => this.toggle());
    find("note-close").addEventListener("click", () => (find("note").hidden = true));
    find("cancel").addEventListener("click", () => this.cancelling?.abort());
    const volume = find("volume");
    volume.addEventListener("input", () => this.player.setVolume(Number(volume.value)));
    this.player.setVolume(Number(volume.value));
    this.player.onChange((state) => {
      const plays = state !== "stopped";
      this.playButton.textContent = state === "loading" ? "Loading …" : plays ? "■ Stop" : "▶ Play";
      this.playButton.setAttribute("aria-pressed", String(plays));
      if (!plays) {
        this.source?.show(null);
        find("position").textContent = "";
      }
      if (state === "playing") requestAnimationFrame(() => this.follow());
    });
    this.meter();
  }

  // A tab that makes its own sound starts or ends.
  showPlaying(plays) {
    this.playButton.textContent = plays ? "■ Stop" : "▶ Play";
    this.playButton.setAttribute("aria-pressed", String(plays));
  }

  toggle() {
    if (this.player.playing || this.player.loading) return this.player.stop();
    if (this.tab.toggle && (this.tab.playing || !this.tab.playable())) return this.tab.toggle();
    const source = this.tab.playable?.();
    if (!source) return this.note("There is nothing to play yet: draw some notes or open a file.", false);
    return this.play(source);
  }

  async play(source) {
    this.player.stop();
    this.source = { ...source, bars: barsOf(source.piece) };
    try {
      await this.player.play(source.request, { from: source.from ?? 0, levels: source.levels ?? null, id: source.id });
    } catch (error) {
      this.fail(error);
    }
  }

  isPlaying(id) {
    return this.player.playing?.id === id;
  }

  follow() {
    const seconds = this.player.position();
    if (seconds === null || !this.source) return;
    const { piece } = this.source;
    const tick = tickOf(piece, seconds);
    this.source.show(tick);
    const place = sayPlace(this.source.bars, Math.floor(tick / piece.quarter) * piece.quarter);
    const chord = this.source.chordAt?.(tick) ?? "";
    find("position").textContent = chord ? `${place}: ${chord}` : place;
    requestAnimationFrame(() => this.follow());
  }

  meter() {
    const box = find("meter");
    const show = () => {
      const level = this.player.level();
      const decibels = level > 0 ? 20 * Math.log10(level) : METER;
      const value = Math.max(METER, Math.min(0, decibels));
      if (Math.abs(value - box.value) > 0.3) box.value = value;
      requestAnimationFrame(show);
    };
    show();
  }

  // ---- keys for all tabs

  shortcut(event) {
    if (event.key === "Escape") {
      find("note").hidden = true;
      this.player.stop();
      if (this.tab.playing) this.tab.stop();
    }
    if (!(event.ctrlKey || event.metaKey) || isTyping(event.target)) return;
    const key = event.key.toLowerCase();
    const act = key === "z" && !event.shiftKey ? "undo" : key === "y" || (key === "z" && event.shiftKey) ? "redo" : null;
    if (!act || !this.tab[act]) return;
    event.preventDefault();
    this.tab[act]();
  }

  // ---- links, and what is kept

  async openAddress() {
    const text = location.hash;
    if (new URLSearchParams(location.search).has("token") || text.startsWith("#r=")) history.replaceState(null, "", location.pathname);
    if (text.startsWith("#r=")) await this.openLink(text);
  }

  async openLink(text) {
    const found = await readLink(text);
    const tab = found && this.tabOf(TASKS[found.recipe.task]);
    if (!tab) return this.note("This is no link of a studio, or not all of it. Copy it again.", true);
    this.choose(tab);
    const title = typeof found.title === "string" ? found.title.slice(0, 200) : "Piece";
    let result = null;
    try {
      result = await tab.open({ ...found, title, choice: Number(found.choice) || 0 });
    } catch (error) {
      return this.note(`This link cannot be opened: ${error.message}`, true);
    }
    const { key } = found.recipe;
    if (result?.model && key && key !== result.model.key) {
      this.note(`The link was made with another ${tab.id === "arrange" ? "edition" : "training"} of ${result.model.name}: the notes may differ.`, true);
    }
    return result;
  }

  save() {
    if (!this.restored) return;
    clearTimeout(this.saving);
    this.saving = setTimeout(() => this.saveNow(), SAVES);
  }

  saveNow() {
    const states = Object.fromEntries(this.tabs.map((tab) => [tab.id, tab.kept?.() ?? null]));
    try {
      sessionStorage.setItem(KEPT, JSON.stringify({ tab: this.tab.id, states }));
    } catch {
      // too much for the browser: the page goes on, and is empty when it is loaded again
    }
  }

  restore() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(KEPT));
      for (const tab of this.tabs) if (kept?.states[tab.id]) tab.restore?.(kept.states[tab.id]);
      const tab = this.tabOf(kept?.tab);
      if (tab) this.choose(tab);
    } catch {
      sessionStorage.removeItem(KEPT);
    }
    this.restored = true;
    addEventListener("pagehide", () => this.saveNow());
  }
}

const studio = new Studio();
window.etude = { level: () => studio.player.level(), studio };

const dialog = find("link-dialog");
find("open-link").addEventListener("click", () => dialog.showModal());
find("link-form").addEventListener("submit", (event) => {
  event.preventDefault();
  dialog.close();
  studio.openLink(find("link-text").value);
  find("link-text").value = "";
});
find("link-cancel").addEventListener("click", () => dialog.close());
studio.start().catch((error) => studio.fail(error));
