// Score files that are chosen or dropped.

import { button, el } from "./dom.js";
import { Refused } from "./connection.js";

export class FileDoor {
  // `take` gets {title, piece, melody, symbols, notes} of a file that was read, and may return sentences about it.
  constructor(studio, panel, take) {
    Object.assign(this, { studio, take });
    const endings = studio.about.endings;
    this.input = el("input", { type: "file", accept: endings.join(","), class: "sr", tabIndex: -1, "aria-label": "Score file" });
    this.input.addEventListener("change", () => {
      if (this.input.files[0]) this.read(this.input.files[0]);
      this.input.value = "";
    });
    this.element = el("span", {}, button("Open a file…", () => this.input.click()), this.input);
    panel.addEventListener("dragover", (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      panel.classList.add("dropping");
    });
    panel.addEventListener("dragleave", (event) => {
      if (!panel.contains(event.relatedTarget)) panel.classList.remove("dropping");
    });
    panel.addEventListener("drop", (event) => {
      event.preventDefault();
      panel.classList.remove("dropping");
      if (event.dataTransfer.files[0]) this.read(event.dataTransfer.files[0]);
    });
  }

  async read(file) {
    const most = this.studio.about.limits.file;
    await this.studio.work(`Reading ${file.name}`, async (options) => {
      if (file.size > most) {
        throw new Refused(`${file.name} has ${(file.size / 1e6).toFixed(1)} MB; the studio reads ${most / 1e6} MB at most.`, 413);
      }
      const headers = { "x-file-name": encodeURIComponent(file.name), "content-type": "application/octet-stream" };
      const found = await this.studio.connection.json("/api/read", { body: file, headers, ...options });
      const more = (await this.take(found)) ?? []; // sentences of the tab
      this.studio.say([`${found.title} is open.`, ...found.notes.map((note) => `${note}.`), ...more].join(" "), true);
    });
  }
}
