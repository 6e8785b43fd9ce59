/**
 * `migstream search`: finds text, bytes and regular expressions in a guest's memory.
 *
 * @module
 */

import { UnknownMapError } from "../analyze/memory/guest.ts";
import { hexMatcher, textMatcher } from "../analyze/search/literal.ts";
import type { Matcher } from "../analyze/search/matcher.ts";
import { regexMatcher } from "../analyze/search/regex.ts";
import { type SearchHit, searchMemory } from "../analyze/search/search.ts";
import type { RamBlock } from "../format/ram.ts";
import { isElsewhere } from "../format/mapped_ram.ts";
import { escapeText, hex } from "../format/text.ts";
import { type LoadedMemory, loadMemory, type LoadMemoryOptions } from "./load_memory.ts";
import { escapeLine, EXIT, type Streams, UsageError } from "./main.ts";
import { progressOver, startProgress } from "./progress.ts";

/** What is looked for. */
export interface SearchPattern {
  /** A text. */
  readonly text: string | undefined;
  /** Bytes as hexadecimal digits and question marks. */
  readonly hex: string | undefined;
  /** A regular expression. */
  readonly regex: string | undefined;
  /** Whether upper and lower case are the same. */
  readonly ignoreCase?: boolean | undefined;
  /** Whether the text is looked for as UTF-16, too. */
  readonly utf16?: boolean | undefined;
}

/** Options of `search`. */
export interface SearchCommandOptions extends LoadMemoryOptions {
  /** What is looked for. */
  readonly pattern: SearchPattern;
  /** Name of the only block to search. */
  readonly block?: string | undefined;
  /** Hits that are printed at most. */
  readonly max: number;
  /** Whether to print JSON. */
  readonly json?: boolean | undefined;
  /** Whether there may be a progress bar. */
  readonly progress: boolean;
}

/** Prints where something stands in the guest's memory. */
export async function runSearch(
  path: string,
  options: SearchCommandOptions,
  streams: Streams,
): Promise<number> {
  const matchers = matchersOf(options.pattern);
  using progress = await startProgress(options.progress);
  using loaded = await loadMemory(path, options, progress);
  const unknown = tryPhysicalMap(loaded);
  const { memory } = loaded;
  const blocks = options.block === undefined ? memory.blocks : [loaded.block(options.block)];
  const print = options.json === true ? printJson : printLine;
  const show = progressOver(blocks, progress, "searched");
  const onProgress = ({ name }: RamBlock, address: number) => show(name, address);
  let count = 0;
  for (const hit of searchMemory(memory, matchers, { blocks, onProgress })) {
    progress.clear();
    if (count === options.max) {
      streams.err.line(`note: there are more than these ${count} hits (--max)`);
      break;
    }
    count += 1;
    print(hit, memory.physicalMap?.toGuest(hit.block, hit.blockAddress), streams);
  }
  progress.clear();
  if (unknown !== undefined) streams.err.line(`note: ${unknown}`);
  for (const { mapped, name } of blocks) {
    if (mapped === undefined || !isElsewhere(mapped)) continue;
    streams.err.line(`note: the content of block ${escapeText(name)} is not in the stream`);
  }
  return loaded.conclude(count > 0 ? EXIT.DONE : EXIT.NO, streams);
}

/** Without guest-physical addresses a search is worth something all the same. Says why there are none. */
function tryPhysicalMap(loaded: LoadedMemory): string | undefined {
  try {
    loaded.usePhysicalMap();
    return undefined;
  } catch (error) {
    if (error instanceof UnknownMapError) return escapeLine(error.message);
    throw error;
  }
}

function matchersOf(
  { text, hex, regex, ignoreCase = false, utf16 = false }: SearchPattern,
): Matcher[] {
  const given = [text, hex, regex].filter((each) => each !== undefined);
  if (given.length !== 1) throw new UsageError("give one of --text, --hex and --regex");
  if (utf16 && text === undefined) throw new UsageError("--utf16 goes with --text");
  if (ignoreCase && hex !== undefined) throw new UsageError("--ignore-case doesn't go with --hex");
  if (hex !== undefined) return [checked("--hex", () => hexMatcher(hex))];
  if (regex !== undefined) return [checked("--regex", () => regexMatcher(regex, ignoreCase))];
  const encodings = utf16 ? ["utf-8", "utf-16le"] as const : ["utf-8"] as const;
  return encodings.map((encoding) =>
    checked("--text", () => textMatcher(text!, { encoding, ignoreCase }))
  );
}

function checked(option: string, make: () => Matcher): Matcher {
  try {
    return make();
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(`${option}: ${error.message}`);
    throw error;
  }
}

function printJson(hit: SearchHit, guestAddress: number | undefined, { out }: Streams): void {
  const { block, blockAddress, match, text } = hit;
  const line = JSON.stringify({
    block: block.name,
    address: blockAddress,
    guestAddress: guestAddress ?? null,
    match: match.toHex(),
    text,
  });
  out.line(line.replace(/[^ -~]/g, escapeUnit));
}

/** A UTF-16 unit of a JSON text: a name may have characters that move the cursor, which JSON allows. */
function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Block, address in it, guest-physical address or a dash, and what stands there. */
function printLine(hit: SearchHit, guestAddress: number | undefined, { out }: Streams): void {
  const { block, blockAddress, text } = hit;
  const guest = guestAddress === undefined ? "-" : hex(guestAddress, 8);
  out.line(`${escapeText(block.name)} ${hex(blockAddress, 8)} ${guest.padEnd(10)}  ${text}`);
}
