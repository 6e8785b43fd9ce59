/**
 * `migstream layout`: every byte range of an input and what it is, or one byte down to its field.
 *
 * @module
 */

import { layoutChannels } from "../analyze/layout/channels.ts";
import { layoutRows } from "../analyze/layout/layout.ts";
import type { LayoutRow } from "../analyze/layout/row.ts";
import { explainOffset, type Explanation } from "../analyze/layout/explain.ts";
import { loadVmdescription } from "../analyze/load_vmdescription.ts";
import { openInput } from "../container/open.ts";
import { type FormatError, isFormatError } from "../format/error.ts";
import { escapeJson, hex } from "../format/text.ts";
import { describeError, EXIT, type Streams } from "./main.ts";
import type { Output } from "./output.ts";

/** Options of `layout`. */
export interface LayoutCommandOptions {
  /** Whether to print JSON. */
  readonly json: boolean;
  /** Absolute offset of the byte to be explained, instead of a list of ranges. */
  readonly at: number | undefined;
  /** Absolute offset of the stream in the input. */
  readonly offset: number;
  /** Name or id of a snapshot in a qcow2 image. */
  readonly snapshot: string | undefined;
  /** File that a vmdescription is taken from. */
  readonly vmdesc: string | undefined;
  /** Whether what is behind a damaged place is listed as not decoded. */
  readonly keepGoing: boolean;
}

/** Prints the layout of an input, or with `at` what one byte of it is. */
export async function runLayout(
  path: string,
  options: LayoutCommandOptions,
  streams: Streams,
): Promise<number> {
  const { json, at, offset, snapshot, keepGoing } = options;
  const given = options.vmdesc === undefined ? undefined : await loadVmdescription(options.vmdesc);
  using input = await openInput(path, { offset, snapshot, seekable: at !== undefined });
  const reading = {
    offset: input.streamOffset,
    ...(given === undefined ? {} : { vmdescription: given }),
  };
  if (at !== undefined) {
    const explanation = explainOffset(input.source, at, reading);
    if (json) streams.out.line(escapeJson(JSON.stringify(explanation, undefined, 2)));
    else printExplanation(explanation, streams.out);
    return EXIT.DONE;
  }
  const printer = json ? new JsonPrinter(streams.out) : new TablePrinter(streams.out);
  let error: FormatError | undefined;
  try {
    error = layoutRows(input.source, { ...reading, keepGoing }, (row) => printer.row(row));
    if (error === undefined) layoutChannels(input, reading, (row) => printer.row(row));
  } catch (thrown) {
    // The rows before the damage are printed already: what stands on standard output has to be whole JSON all the same.
    if (isFormatError(thrown)) printer.end(thrown);
    throw thrown;
  }
  printer.end(error);
  if (error === undefined) return EXIT.DONE;
  streams.err.line(`error: ${describeError(error)}`);
  return EXIT.FAILED;
}

/** Rows as lines of text. */
class TablePrinter {
  readonly #out: Output;
  #channel: string | undefined;

  constructor(out: Output) {
    this.#out = out;
    tableLine(out, "offset", "length", "what");
  }

  row(row: LayoutRow): void {
    const indent = "  ".repeat(row.depth);
    if (row.channel !== undefined && row.channel !== this.#channel) {
      this.#channel = row.channel;
      this.#out.line();
      this.#out.line(row.channel);
    }
    tableLine(this.#out, hex(row.offset, 8), String(row.lengthBytes), indent + row.description);
  }

  end(): void {}
}

/** Rows as one JSON object, a line each, so that a stream of any length can be printed as it is read. */
class JsonPrinter {
  readonly #out: Output;
  #separator = "\n";

  constructor(out: Output) {
    this.#out = out;
    out.text('{"rows":[');
  }

  row(row: LayoutRow): void {
    this.#out.text(this.#separator + escapeJson(JSON.stringify(row)));
    this.#separator = ",\n";
  }

  end(error: FormatError | undefined): void {
    this.#out.line(`\n],"error":${error === undefined ? null : errorJson(error)}}`);
  }
}

function errorJson(error: FormatError): string {
  const { code, message, offset, path, expected = null, found = null } = error;
  return escapeJson(JSON.stringify({ code, message, offset, path, expected, found }));
}

function printExplanation(explanation: Explanation, out: Output): void {
  const { offset, path, fields, meaning } = explanation;
  out.line(`offset ${hex(offset)} (${offset})`);
  out.line(path.join(" > "));
  out.line();
  tableLine(out, "offset", "length", "what");
  for (const [level, field] of fields.entries()) {
    const value = field.value === "" ? "" : `: ${field.value}`;
    const what = `${"  ".repeat(level)}${field.name}${value}`;
    tableLine(out, hex(field.offset, 8), String(field.lengthBytes), what);
  }
  out.line();
  out.line(meaning);
}

function tableLine(out: Output, offset: string, length: string, what: string): void {
  out.line(`${offset.padEnd(10)} ${length.padStart(10)}  ${what}`);
}
