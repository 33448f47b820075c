// Elements of the page, made in one call.

export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (name === "text") made.textContent = value;
    else if (name in made && !name.includes("-") && name !== "list") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

let count = 0;

export function newId(start) {
  count += 1;
  return `${start}-${count}`;
}

// A labelled control: its name above it, and what it does below it.
export function field(name, control, about = "") {
  control.id ||= newId("field");
  const note = about ? el("small", { id: `${control.id}-about`, text: about }) : null;
  if (note) control.setAttribute("aria-describedby", note.id);
  return el("div", { class: "field" }, el("label", { htmlFor: control.id, text: name }), control, note);
}

// A slider with its value next to its name.
export function slider(name, value, low, high, step, about, show = String, change = () => {}) {
  const control = el("input", { type: "range", min: low, max: high, step, value });
  const output = el("output", { text: show(Number(value)) });
  control.addEventListener("input", () => {
    output.textContent = show(Number(control.value));
    change(Number(control.value));
  });
  const made = field(name, control, about);
  output.htmlFor = control.id;
  made.firstChild.append(" ", output);
  const set = (next) => {
    control.value = next;
    output.textContent = show(Number(next));
  };
  return { element: made, control, set, get: () => Number(control.value) };
}

export function select(name, options, value, about = "") {
  const control = el("select", {}, ...options.map(([key, text]) => el("option", { value: key, text })));
  if (value !== undefined) control.value = value;
  return { element: field(name, control, about), control };
}

export function number(name, value, low, high, about = "") {
  const control = el("input", { type: "number", min: low, max: high, step: 1, value, inputMode: "numeric" });
  const get = () => {
    const found = Math.round(Number(control.value));
    const kept = Number.isFinite(found) && control.value !== "" ? Math.min(high, Math.max(low, found)) : low;
    control.value = kept;
    return kept;
  };
  return { element: field(name, control, about), control, get };
}

export function textField(name, value, about = "", placeholder = "") {
  const control = el("input", { type: "text", value, placeholder, maxLength: 2000, spellcheck: false });
  return { element: field(name, control, about), control };
}

export function checkbox(name, checked, about = "") {
  const control = el("input", { type: "checkbox", checked });
  control.id = newId("check");
  const note = about ? el("small", { id: `${control.id}-about`, text: about }) : null;
  if (note) control.setAttribute("aria-describedby", note.id);
  return {
    element: el("div", { class: "check" }, control, el("label", { htmlFor: control.id, text: name }), note),
    control,
  };
}

export function button(text, click, properties = {}) {
  return el("button", { type: "button", text, onclick: click, ...properties });
}

export function download(name, blob) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
