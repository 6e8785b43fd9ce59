/**
 * Names in a stream are bytes; here they become strings without loss.
 *
 * @module
 */

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Turns the bytes of a name into a string. Bytes that are not UTF-8 become lone surrogates U+DC80..U+DCFF (as Python's
 * `surrogateescape` does), so that {@link encodeText} gives the same bytes back.
 */
export function decodeText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return decodeDamagedText(bytes);
  }
}

function decodeDamagedText(bytes: Uint8Array): string {
  const parts: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const start = at;
    for (let length = 1; length > 0; at += length) length = characterBytes(bytes, at);
    if (at > start) parts.push(utf8.decode(bytes.subarray(start, at)));
    if (at < bytes.length) parts.push(String.fromCharCode(0xdc00 | bytes[at++]!));
  }
  return parts.join("");
}

/** Bytes of the character at an index, 0 if there is none: the well-formed sequences of the Unicode standard, table 3-7. */
function characterBytes(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0xff;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  const second = bytes[at + 1] ?? 0;
  if (second < least || second > most) return 0;
  for (let next = at + 2; next < at + length; next++) {
    if (((bytes[next] ?? 0) & 0xc0) !== 0x80) return 0;
  }
  return length;
}

/** The bytes of a name: the inverse of {@link decodeText}. */
export function encodeText(text: string): Uint8Array {
  // deno-lint-ignore no-control-regex -- the class is the point: all but ASCII
  if (/^[\x00-\x7f]*$/.test(text)) return encoder.encode(text);
  // Every second part is one escaped byte.
  const parts = text.split(/([\udc80-\udcff])/u).map((part, index) =>
    index % 2 === 0 ? encoder.encode(part) : Uint8Array.of(part.charCodeAt(0) & 0xff)
  );
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * A name as it can be shown to people: in double quotes, with control characters, quotes, direction marks and lone surrogates
 * escaped, so that a hostile name cannot move the cursor or break a line.
 */
export function quoteText(text: string): string {
  return `"${escapeText(text)}"`;
}

/** As {@link quoteText} but without the quotes around it. */
export function escapeText(text: string): string {
  return text.replace(
    // deno-lint-ignore no-control-regex -- these are what must not reach a terminal
    /["\\\u0000-\u001f\u007f-\u009f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]/gu,
    (character) =>
      character === '"' || character === "\\"
        ? `\\${character}`
        : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * JSON text in which direction marks, invisible characters and the control characters that JSON takes as they are (DEL, C1) are escaped:
 * the same value, but a terminal that it is shown on shows it.
 */
export function escapeJson(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Bytes as two-digit hexadecimal numbers with single spaces between them, cut off after `limit` bytes. */
export function hexBytes(bytes: Uint8Array, limit = 16): string {
  const shown = Array.from(bytes.subarray(0, limit), (byte) => byte.toString(16).padStart(2, "0"));
  return shown.join(" ") + (bytes.length > limit ? " ..." : "");
}

/** A number as `0x` and lower-case hexadecimal digits, at least `digits` of them. */
export function hex(value: number | bigint, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, "0")}`;
}
