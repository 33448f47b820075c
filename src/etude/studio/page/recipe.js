// Links: a recipe, compressed, in the fragment of an address, which no server ever sees.

const START = "#r=";
const MOST = 400_000; // letters of a recipe
const KEYS = ["recipe", "choice", "title", "levels"];

function toText(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function toBytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

async function through(bytes, stream, most) {
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader();
  const parts = [];
  for (let total = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    total += value.length;
    if (total > most) throw new Error("too long");
    parts.push(value);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

export async function linkOf(what) {
  const kept = Object.fromEntries(KEYS.filter((key) => what[key] !== undefined).map((key) => [key, what[key]]));
  const bytes = new TextEncoder().encode(JSON.stringify(kept));
  const packed = await through(bytes, new CompressionStream("deflate"), MOST);
  return `${location.origin}/${START}${toText(packed)}`;
}

// What a link describes; null where the text is no link of a studio.
export async function readLink(text) {
  const place = text.indexOf(START);
  if (place < 0) return null;
  try {
    const packed = toBytes(text.slice(place + START.length).trim());
    const bytes = await through(packed, new DecompressionStream("deflate"), MOST);
    const found = JSON.parse(new TextDecoder().decode(bytes));
    return typeof found?.recipe?.task === "string" ? found : null;
  } catch {
    return null;
  }
}
