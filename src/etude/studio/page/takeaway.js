// The card from which a piece is taken away: files, and a link that gives it again.

import { button, download, el } from "./dom.js";
import { fileName } from "./piece.js";
import { linkOf } from "./recipe.js";

const KINDS = { midi: ["MIDI", ".mid"], musicxml: ["MusicXML", ".musicxml"], mp3: ["mp3", ".mp3"] };

export class TakeAway {
  // `what` has title(), file(), of which files are made, and link(), what a link describes.
  constructor(studio, what, about, label) {
    Object.assign(this, { studio, what });
    const files = Object.entries(KINDS).map(([kind, [name]]) =>
      button(name, () => this.save(kind), { "data-file": kind, "aria-label": `Download ${name}` }),
    );
    this.linkField = el("input", { type: "text", readOnly: true, "aria-label": label, hidden: true });
    const copy = button("Copy link", () => this.copyLink(), { "data-file": "link" });
    this.next = el("div", { class: "row" });
    this.element = el(
      "section",
      { class: "card", "aria-label": "Take away" },
      el("h3", { text: "Take away" }),
      el("p", { class: "hint", text: about }),
      el("div", { class: "row" }, ...files, copy, this.linkField),
      this.next,
    );
  }

  async save(kind) {
    const [name, ending] = KINDS[kind];
    await this.studio.work(`Writing ${name}`, async (options) => {
      const title = this.what.title();
      const answer = await this.studio.connection.ask("/api/file", { json: { ...this.what.file(), kind, title }, ...options });
      download(fileName(title, ending), await answer.blob());
    });
  }

  async copyLink() {
    try {
      const link = await linkOf(this.what.link());
      this.linkField.value = link;
      this.linkField.hidden = false;
      try {
        await navigator.clipboard.writeText(link);
        this.studio.say("The link is copied.", true);
      } catch {
        this.linkField.focus();
        this.linkField.select();
        this.studio.say("Copy the link from its field.", true);
      }
    } catch (error) {
      this.studio.fail(error);
    }
  }
}
