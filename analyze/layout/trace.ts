/**
 * Fields by reading again: a reader that notes where each value stood that a decoder took from it, so that the layout of a structure
 * is written down only once, in its decoder.
 *
 * @module
 */

import { isFormatError } from "../../format/error.ts";
import { ByteReader } from "../../format/reader.ts";
import type { ByteSource } from "../../format/source.ts";
import { bytesText, integerText } from "./trail.ts";

/** A value that a decoder read. */
export interface TracedField {
  /** What the decoder calls it. */
  readonly name: string;
  /** How many values of that name came before. */
  readonly index: number;
  /** Absolute offset. */
  readonly offset: number;
  /** Bytes. */
  readonly lengthBytes: number;
  /** The value, for people. */
  readonly value: string;
}

/** Which of the fields are kept. */
type KeepField = (offset: number, lengthBytes: number) => boolean;

/** A reader that notes what is read. */
class TracingReader extends ByteReader {
  readonly fields: TracedField[] = [];
  readonly counts = new Map<string, number>();
  readonly #keep: KeepField;
  /** Name of the last value, and the offset behind it. */
  #last = "";
  #end: number;

  constructor(source: ByteSource, offset: number, end: number | undefined, keep: KeepField) {
    super(source, end === undefined ? { offset } : { offset, end });
    this.#keep = keep;
    this.#end = offset;
  }

  #note(name: string, lengthBytes: number, value: () => string): void {
    const offset = this.offset - lengthBytes;
    // A decoder in a hurry takes a name from the buffer, behind the length that it has read.
    if (offset > this.#end) this.#add(`text of ${this.#last}`, this.#end, offset - this.#end);
    this.#add(name, offset, lengthBytes, value);
    this.#last = name;
    this.#end = this.offset;
  }

  #add(name: string, offset: number, lengthBytes: number, value?: () => string): void {
    const index = this.counts.get(name) ?? 0;
    this.counts.set(name, index + 1);
    if (lengthBytes === 0 || !this.#keep(offset, lengthBytes)) return;
    this.fields.push({
      name,
      index,
      offset,
      lengthBytes,
      value: value?.() ?? this.#text(offset, lengthBytes),
    });
  }

  #text(offset: number, lengthBytes: number): string {
    return bytesText(new ByteReader(this.source, { offset }).bytes(lengthBytes, "text"));
  }

  override u8(what: string): number {
    const value = super.u8(what);
    this.#note(what, 1, () => integerText(value));
    return value;
  }

  override u16(what: string): number {
    const value = super.u16(what);
    this.#note(what, 2, () => integerText(value));
    return value;
  }

  override u32(what: string): number {
    const value = super.u32(what);
    this.#note(what, 4, () => integerText(value));
    return value;
  }

  override u64(what: string): number {
    const value = super.u64(what);
    this.#note(what, 8, () => integerText(value));
    return value;
  }

  override bigU64(what: string): bigint {
    const value = super.bigU64(what);
    this.#note(what, 8, () => integerText(value));
    return value;
  }

  override bytes(count: number, what: string): Uint8Array {
    const value = super.bytes(count, what);
    this.#note(what, count, () => bytesText(value));
    return value;
  }

  override skip(count: number, what: string): void {
    super.skip(count, what);
    this.#note(what, count, () => "");
  }
}

/** What a trace keeps, and how far it goes. */
export interface TraceOptions {
  /** Absolute offset behind the last byte that may be read. */
  readonly end?: number;
  /** Keep only the field with this offset: for payloads of any length. */
  readonly target?: number;
}

/**
 * Decodes once more with `decode` from `offset` on and returns the fields in the order in which they were read. Damage ends the
 * trace quietly: what was read before it is the result.
 */
export function traceFields(
  source: ByteSource,
  offset: number,
  decode: (reader: ByteReader) => unknown,
  options: TraceOptions = {},
): TracedField[] {
  const { end, target } = options;
  const reader = new TracingReader(
    source,
    offset,
    end,
    target === undefined
      ? () => true
      : (start, lengthBytes) => target >= start && target < start + lengthBytes,
  );
  try {
    decode(reader);
  } catch (error) {
    if (!isFormatError(error)) throw error;
  }
  return reader.fields.map((field) => numbered(field, reader.counts));
}

/** A field with its number in its name, where there are several of that name. */
function numbered(field: TracedField, counts: ReadonlyMap<string, number>): TracedField {
  const isOneOfMany = (counts.get(field.name) ?? 0) > 1;
  return isOneOfMany ? { ...field, name: `${field.name} [${field.index}]` } : field;
}
