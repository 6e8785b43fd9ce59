/**
 * Where a section ends that nothing describes: found by looking for its footer, or, in a stream without footers, for the next section's
 * header. What is found this way is a good guess and is reported as one.
 *
 * @module
 */

import { COMMAND } from "./command.ts";
import type { Limits } from "./limits.ts";
import type { ByteReader } from "./reader.ts";
import { FOOTER_BYTES, SECTION_TYPE } from "./section.ts";

/** What the search may rely on. */
export interface BoundaryContext {
  /** Id of the section whose end is looked for. */
  readonly id: number;
  /** Ids that PART and END sections may refer to. */
  readonly iterableIds: ReadonlySet<number>;
}

/**
 * Whether a section can begin at an index of some bytes: `strong` if what stands there can hardly be anything else, `weak` if it
 * can be, but says little.
 */
export type Plausibility = "strong" | "weak" | "no";

const COMMAND_LENGTHS = new Map<number, (length: number) => boolean>([
  [COMMAND.OPEN_RETURN_PATH, (length) => length === 0],
  [COMMAND.PING, (length) => length === 4],
  [COMMAND.POSTCOPY_ADVISE, (length) => length === 0 || length === 16],
  [COMMAND.POSTCOPY_LISTEN, (length) => length === 0],
  [COMMAND.POSTCOPY_RUN, (length) => length === 0],
  [COMMAND.POSTCOPY_RAM_DISCARD, (length) => length >= 20],
  [COMMAND.PACKAGED, (length) => length === 4],
  [COMMAND.ENABLE_COLO, (length) => length === 0],
  [COMMAND.POSTCOPY_RESUME, (length) => length === 0],
  [COMMAND.RECV_BITMAP, (length) => length >= 2 && length <= 256],
  [COMMAND.SWITCHOVER_START, (length) => length === 0],
]);

/** Longest element head that has to be seen to judge it. */
export const ELEMENT_HEAD_BYTES: number = 14 + 255;

/**
 * Judges whether an element of a stream can begin at `at`.
 *
 * @param whole Whether `bytes` reach to the end of the input (or of the package).
 */
export function judgeElement(
  bytes: Uint8Array,
  at: number,
  whole: boolean,
  context: BoundaryContext,
): Plausibility {
  if (at >= bytes.length) return whole && at === bytes.length ? "weak" : "no";
  switch (bytes[at]) {
    case SECTION_TYPE.EOF:
      return judgeEof(bytes, at, whole);
    case SECTION_TYPE.START:
    case SECTION_TYPE.FULL:
      return judgeHeader(bytes, at);
    case SECTION_TYPE.PART:
    case SECTION_TYPE.END: {
      if (at + 5 > bytes.length) return "no";
      return context.iterableIds.has(be32(bytes, at + 1)) ? "strong" : "no";
    }
    case SECTION_TYPE.COMMAND: {
      if (at + 5 > bytes.length) return "no";
      const fits = COMMAND_LENGTHS.get(be32(bytes, at + 1) >>> 16);
      return fits?.(be32(bytes, at + 1) & 0xffff) ? "strong" : "no";
    }
    default:
      return "no";
  }
}

function judgeEof(bytes: Uint8Array, at: number, whole: boolean): Plausibility {
  if (whole && at + 1 === bytes.length) return "strong";
  const isDescription = bytes[at + 1] === SECTION_TYPE.VMDESCRIPTION && bytes[at + 6] === 0x7b;
  return isDescription ? "strong" : "weak";
}

function judgeHeader(bytes: Uint8Array, at: number): Plausibility {
  const length = bytes[at + 5] ?? 0;
  const nameEnd = at + 6 + length;
  if (length < 2 || nameEnd + 8 > bytes.length) return "no";
  for (let index = at + 6; index < nameEnd; index++) {
    const byte = bytes[index]!;
    if (byte < 0x20 || byte > 0x7e) return "no";
  }
  const instance = be32(bytes, nameEnd);
  const version = be32(bytes, nameEnd + 4);
  // The largest version of a device is 10000 (i6300esb_wdt).
  const usual = be32(bytes, at + 1) < 0x10000 && version < 0x10000 &&
    (instance < 0x10000 || instance >= 0x80000000);
  return usual ? "strong" : "no";
}

/**
 * Bytes from the cursor to the footer of section `context.id` that is followed by a plausible element; `undefined` if there is none
 * within the limit. The cursor stays where it is.
 */
export function findFooter(
  reader: ByteReader,
  context: BoundaryContext,
  limits: Limits,
): number | undefined {
  let weak: number | undefined;
  const strong = scan(reader, limits, (bytes, from, to, whole) => {
    for (let at = from; at < to;) {
      at = bytes.indexOf(SECTION_TYPE.FOOTER, at);
      if (at < 0 || at >= to) return undefined;
      if (isFooterOf(bytes, at, context.id)) {
        const judged = judgeElement(bytes, at + FOOTER_BYTES, whole, context);
        if (judged === "strong") return at;
        if (judged === "weak") weak ??= at;
      }
      at += 1;
    }
    return undefined;
  });
  return strong ?? weak;
}

function isFooterOf(bytes: Uint8Array, at: number, id: number): boolean {
  if (at + FOOTER_BYTES > bytes.length) return false;
  return be32(bytes, at + 1) === id;
}

/**
 * Whether the bytes begin with what is left of the footer of section `context.id`, or with what follows it where it is missing. The
 * bytes have to hold the head of the element behind it.
 */
export function judgeDamagedFooter(bytes: Uint8Array, context: BoundaryContext): boolean {
  if (judgeElement(bytes, 0, false, context) === "strong") return true;
  if (bytes.length < FOOTER_BYTES) return false;
  const isHalfRight = bytes[0] === SECTION_TYPE.FOOTER || be32(bytes, 1) === context.id;
  return isHalfRight && judgeElement(bytes, FOOTER_BYTES, false, context) === "strong";
}

/**
 * Whether the reader stands at the footer of section `context.id`, at the end of the first section of a stream. A damaged one counts, too:
 * or no later footer would be expected.
 */
export function beginsFooter(reader: ByteReader, context: BoundaryContext): boolean {
  const footer = reader.peek(FOOTER_BYTES);
  if (footer[0] === SECTION_TYPE.FOOTER && isFooterOf(footer, 0, context.id)) return true;
  const next = reader.peek(ELEMENT_HEAD_BYTES + FOOTER_BYTES);
  return judgeElement(next, 0, false, context) === "no" && judgeDamagedFooter(next, context);
}

/** The search judges every byte: making a `DataView` for each would take most of its time. */
function be32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>>
    0;
}

/** As {@link findFooter}, for streams without footers: bytes to the next thing that looks like a FULL section or the end. */
export function findNextSection(
  reader: ByteReader,
  context: BoundaryContext,
  limits: Limits,
): number | undefined {
  return scan(reader, limits, (bytes, from, to, whole) => {
    for (let at = from; at < to; at++) {
      const type = bytes[at]!;
      if (type !== SECTION_TYPE.FULL && type !== SECTION_TYPE.EOF) continue;
      if (judgeElement(bytes, at, whole, context) === "strong") return at;
    }
    return undefined;
  });
}

/** Calls `search` with a growing window from the cursor on; positions too close to the window's end wait for more bytes. */
function scan(
  reader: ByteReader,
  limits: Limits,
  search: (bytes: Uint8Array, from: number, to: number, whole: boolean) => number | undefined,
): number | undefined {
  let from = 0;
  for (let want = 64 * 1024;; want *= 4) {
    const bytes = reader.peek(Math.min(want, limits.undescribedBytes));
    const whole = bytes.length < want && bytes.length < limits.undescribedBytes;
    const to = whole ? bytes.length : bytes.length - ELEMENT_HEAD_BYTES - FOOTER_BYTES;
    const found = search(bytes, from, to, whole);
    if (found !== undefined || whole || want >= limits.undescribedBytes) return found;
    from = Math.max(0, to);
  }
}
