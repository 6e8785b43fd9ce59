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
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const lead = bytes[at]!;
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    try {
      text += utf8.decode(bytes.subarray(at, at + length));
      at += length;
    } catch {
      text += String.fromCharCode(0xdc00 | lead);
      at += 1;
    }
  }
  return text;
}

/** The bytes of a name: the inverse of {@link decodeText}. */
export function encodeText(text: string): Uint8Array {
  // deno-lint-ignore no-control-regex -- the class is the point: all but ASCII
  if (/^[\x00-\x7f]*$/.test(text)) return encoder.encode(text);
  const bytes: number[] = [];
  for (const character of text) {
    const unit = character.charCodeAt(0);
    if (character.length === 1 && unit >= 0xdc80 && unit <= 0xdcff) bytes.push(unit & 0xff);
    else bytes.push(...encoder.encode(character));
  }
  return Uint8Array.from(bytes);
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
    /["\\\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]/gu,
    (character) =>
      character === '"' || character === "\\"
        ? `\\${character}`
        : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
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
