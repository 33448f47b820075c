// What the page asks the server, and whether the server is there.

export const PAGE = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const PATIENCE = [500, 1000, 2000, 3000]; // milliseconds between two tries
const PINGS = 15_000;
export const AWAY = "The studio does not answer. Your work stays in this page, which goes on when the studio is back.";
export const MOVED =
  "The studio was started again and has a new address: open the one that its terminal shows, in this tab. Your work stays here.";

export class Refused extends Error {
  constructor(text, status) {
    super(text);
    this.status = status;
  }
}

export class Connection {
  constructor() {
    this.jobs = new Map(); // job -> what hears of its progress
    this.listeners = new Set(); // of the state
    this.state = "connecting"; // connecting, there, away, moved
    this.start = null; // of the server
    this.tries = 0;
    this.open();
  }

  onState(hear) {
    this.listeners.add(hear);
    hear(this.state, false);
  }

  change(state, again = false) {
    if (state === this.state && !again) return;
    this.state = state;
    for (const hear of this.listeners) hear(state, again);
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/ws?page=${PAGE}`);
    this.socket.addEventListener("message", (event) => this.hear(event.data));
    this.socket.addEventListener("close", () => this.closed());
  }

  hear(text) {
    const message = JSON.parse(text);
    if (message.type === "hello") {
      const again = this.start !== null && this.start !== message.start;
      this.start = message.start;
      this.tries = 0;
      this.change("there", again);
      clearInterval(this.pinging);
      this.pinging = setInterval(() => this.socket.readyState === 1 && this.socket.send('{"type": "ping"}'), PINGS);
    } else if (message.type === "work") this.jobs.get(message.job)?.(message.what, message.share);
  }

  async closed() {
    clearInterval(this.pinging);
    let state = "away";
    try {
      const answer = await fetch("/api/alive", { cache: "no-store" });
      if (answer.status === 403) state = "moved";
      else if (answer.ok && this.tries === 0) state = this.state; // the socket alone was closed
    } catch {
      // nobody answers
    }
    this.change(state);
    setTimeout(() => this.open(), PATIENCE[Math.min(this.tries, PATIENCE.length - 1)]);
    this.tries += 1;
  }

  // The answer to a request. `progress` hears (what, share); `signal` ends it.
  async ask(path, { json, body, headers = {}, signal, progress } = {}) {
    const job = Math.random().toString(36).slice(2, 14) || "job";
    if (progress) this.jobs.set(job, progress);
    const own = { "x-page": PAGE, "x-job": job, ...headers };
    if (json !== undefined) own["content-type"] = "application/json";
    let answer;
    try {
      const content = json === undefined ? body : JSON.stringify(json);
      answer = await fetch(path, {
        method: content === undefined ? "GET" : "POST",
        body: content,
        headers: own,
        signal,
        cache: "no-store",
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refused(AWAY, 0);
    } finally {
      this.jobs.delete(job);
    }
    if (answer.ok) return answer;
    const text = await answer.text();
    let said = text;
    try {
      said = JSON.parse(text).detail;
    } catch {
      // a plain sentence
    }
    if (answer.status === 413) said = "This is too large for the studio. Give a shorter piece.";
    if (answer.status === 403) said = MOVED;
    throw new Refused(typeof said === "string" ? said : "The studio did not understand this page. Load it again.", answer.status);
  }

  async json(path, options) {
    return (await this.ask(path, options)).json();
  }
}
