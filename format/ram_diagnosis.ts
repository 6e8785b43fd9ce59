/**
 * What is wrong where a RAM block list or a RAM word makes no sense: which rule the bytes around tell of.
 *
 * ```text
 * behind an entry    an entry          the total is too small, or all is well
 *                    EOS               the total is too large, or all is well
 *                    8 bytes, entry    a page size or guest address that nothing announced
 *                    1, page size      a mapped-ram header that nothing announced
 * ```
 *
 * @module
 */

import type { BlockListForm } from "./ram_blocks.ts";
import { isPageBytes, PAGE_BYTES_RANGE, RAM_SAVE_FLAG } from "./ram.ts";
import type { RamRun } from "./ram_scanner.ts";
import type { ByteReader } from "./reader.ts";
import { SECTION_TYPE } from "./section.ts";

/** Which optional fields entries have. */
export type OptionalFields = Omit<BlockListForm, "pageBytes">;

/** Bytes of an optional 64-bit field, and the longest entry without them. */
const FIELD_BYTES = 8;
const ENTRY_BYTES = 1 + 255 + 8;

/** Bytes at an absolute offset, as many as there are; none of a source that only goes forward. */
function bytesAt(reader: ByteReader, offset: number, count: number): Uint8Array {
  const { source } = reader;
  if (!source.seekable || offset < 0) return new Uint8Array(0);
  const bytes = new Uint8Array(count);
  let done = 0;
  while (done < count) {
    const got = source.readAt(offset + done, bytes.subarray(done));
    if (got === 0) break;
    done += got;
  }
  return bytes.subarray(0, done);
}

function u64(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint32(at) * 0x100000000 + view.getUint32(at + 4);
}

/** Whether the head of an entry stands there: a printable name, and a length of at most `most` bytes. */
function isEntry(bytes: Uint8Array, at: number, most: number): boolean {
  const end = at + 1 + (bytes[at] ?? 0);
  if (end === at + 1 || end + 8 > bytes.length) return false;
  if (bytes.subarray(at + 1, end).some((byte) => byte < 0x20 || byte > 0x7e)) return false;
  const length = u64(bytes, end);
  return length > 0 && length <= most && length % PAGE_BYTES_RANGE.min === 0;
}

/** Whether the word stands there that follows a list. */
function isEnd(bytes: Uint8Array, at: number): boolean {
  if (at + 8 > bytes.length) return false;
  const word = u64(bytes, at);
  return word === RAM_SAVE_FLAG.EOS || word === RAM_SAVE_FLAG.MULTIFD_FLUSH;
}

function isMappedHeader(bytes: Uint8Array, at: number): boolean {
  return at + 12 <= bytes.length && u64(bytes, at) === 0x100000000 &&
    isPageBytes(u64(bytes, at + 4) % 0x100000000);
}

/** Whether a block list of which `remaining` bytes of memory are left goes on at an absolute offset, or ends there. */
export function goesOnAt(reader: ByteReader, offset: number, remaining: number): boolean {
  const bytes = bytesAt(reader, offset, ENTRY_BYTES);
  return remaining === 0 ? isEnd(bytes, 0) : isEntry(bytes, 0, remaining);
}

/** The rule that the optional fields break which stand where an entry, or what follows the list, should. */
function ruleOfFields(
  bytes: Uint8Array,
  form: OptionalFields,
): "MAP-020" | "RAM-012" | "RAM-009" | undefined {
  if (!form.mappedRam && isMappedHeader(bytes, 0)) return "MAP-020";
  const goesOn = isEntry(bytes, FIELD_BYTES, Infinity) || isEnd(bytes, FIELD_BYTES) ||
    (form.mappedRam && isMappedHeader(bytes, FIELD_BYTES));
  if (!goesOn || isEnd(bytes, 0)) return undefined;
  return form.pageSizeSummary === undefined ? "RAM-009" : "RAM-012";
}

/** The rule that an entry breaks whose name or length is impossible. */
export function ruleOfEntry(
  reader: ByteReader,
  entry: { readonly offset: number; readonly name: string; readonly length: number },
  remaining: number,
  form: OptionalFields,
): string {
  const { offset, name, length } = entry;
  const bytes = bytesAt(reader, offset, FIELD_BYTES + ENTRY_BYTES);
  // A stream with x-ignore-shared whose entries have no guest address: what was taken for one is the head of this entry.
  if (isEnd(bytes, 0)) return "RAM-002";
  const rule = ruleOfFields(bytes, form);
  if (rule !== undefined) return rule;
  if (name === "") return "RAM-004";
  return length > remaining ? "RAM-003" : "RAM-005";
}

/** The rule that bytes behind a list break that are no RAM word. */
export function ruleBehindList(reader: ByteReader, form: OptionalFields): string {
  const bytes = bytesAt(reader, reader.offset, FIELD_BYTES + ENTRY_BYTES);
  return ruleOfFields(bytes, form) ??
    (isEntry(bytes, 0, Infinity) ? "RAM-002" : ruleOfFirstByte(bytes[0]));
}

function ruleOfFirstByte(byte: number | undefined): "RAM-031" | "RAM-020" {
  return byte === SECTION_TYPE.FOOTER ? "RAM-031" : "RAM-020";
}

/**
 * The rule that a word breaks whose flags are impossible. `before` is the run before it; if that was of pages, and the word for the next
 * page stands elsewhere, a page has not its length.
 */
export function ruleOfBadWord(reader: ByteReader, before: RamRun): string {
  const first = reader.peekU8();
  if (before.kind !== "page" || before.count === 0) return ruleOfFirstByte(first);
  const pageBytes = before.dataBytes;
  const start = Math.max(0, reader.offset - pageBytes);
  const bytes = bytesAt(reader, start, 2 * pageBytes + 8);
  const address = before.address + before.count * pageBytes;
  for (const flag of [RAM_SAVE_FLAG.PAGE, RAM_SAVE_FLAG.ZERO]) {
    const word = address + flag + RAM_SAVE_FLAG.CONTINUE;
    for (let at = 0; at + 8 <= bytes.length; at++) {
      if (bytes[at + 7] === word % 256 && u64(bytes, at) === word) return "RAM-030";
    }
  }
  return ruleOfFirstByte(first);
}
