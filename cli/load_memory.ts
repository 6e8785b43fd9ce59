/**
 * What the commands that look into a guest's memory share: their options, reading a stream into a memory, and finding a block by name.
 *
 * @module
 */

import { editDistance } from "../analyze/edit/nearest.ts";
import { loadVmdescription } from "../analyze/load_vmdescription.ts";
import type { GuestMemory } from "../analyze/memory/guest_memory.ts";
import { type MemoryOfGuest, readGuestMemory } from "../analyze/memory/open_memory.ts";
import { type OpenInput, openInput } from "../container/open.ts";
import type { RamBlock } from "../format/ram.ts";
import { escapeText } from "../format/text.ts";
import { describeError, escapeLine, EXIT, type Streams, UsageError } from "./main.ts";
import { type Progress, readingProgress } from "./progress.ts";
import { physicalMapOf } from "./physical_options.ts";

/** How a stream is read for its memory. */
export interface LoadMemoryOptions {
  /** Absolute offset of the stream in the input. */
  readonly offset: number;
  /** Name or id of a snapshot in a qcow2 image. */
  readonly snapshot?: string | undefined;
  /** File that a vmdescription is taken from. */
  readonly vmdesc?: string | undefined;
  /** Whether what stands before a damaged place is taken. */
  readonly keepGoing?: boolean | undefined;
  /** Whether old content of a mapped-ram file is shown where the guest has zeros. */
  readonly slack?: boolean | undefined;
  /** File with a physical map. */
  readonly map?: string | undefined;
  /** Bytes of a PC's memory below 4 GiB. */
  readonly below4g?: number | undefined;
}

/** A stream that was read, and its guest's memory. */
export class LoadedMemory implements Disposable {
  readonly #input: OpenInput;
  readonly #guest: MemoryOfGuest;
  readonly #options: LoadMemoryOptions;
  readonly #notes: string[] = [];

  /** Takes over what it is given. */
  constructor(input: OpenInput, guest: MemoryOfGuest, options: LoadMemoryOptions) {
    this.#input = input;
    this.#guest = guest;
    this.#options = options;
  }

  /** The memory. */
  get memory(): GuestMemory {
    return this.#guest.memory;
  }

  /** The block of a name. */
  block(name: string): RamBlock {
    const found = this.memory.blocks.find((block) => block.name === name);
    if (found !== undefined) return found;
    throw new UsageError(unknownBlock(name, this.memory.blocks));
  }

  /**
   * Lets the memory know where its blocks stand in the guest's physical address space.
   *
   * @throws {UnknownMapError} if that is neither given nor known
   */
  usePhysicalMap(): void {
    const { map: file, below4g } = this.#options;
    const { map, notes } = physicalMapOf(this.#guest.guest, { map: file, below4g });
    this.memory.usePhysicalMap(map);
    this.#notes.push(...notes);
  }

  /** Tells what deserves attention, and the error that ended the reading; returns the exit code, `code` if there was none. */
  conclude(code: number, { err }: Streams): number {
    const notes = [...this.#input.notes, ...this.#notes];
    if (this.#guest.missingChannels !== undefined) {
      notes.push(`the memory is not whole: ${this.#guest.missingChannels} channels have the rest`);
    }
    for (const note of notes) err.line(`note: ${escapeLine(note)}`);
    const { error } = this.#guest.state;
    if (error === undefined) return code;
    err.line(`error: ${describeError(error)}`);
    return EXIT.FAILED;
  }

  /** Closes the input and removes temporary files. */
  [Symbol.dispose](): void {
    this.#guest[Symbol.dispose]();
    this.#input[Symbol.dispose]();
  }
}

/** Reads a stream into a memory; shows how far that is if there is a `progress`. */
export async function loadMemory(
  path: string,
  options: LoadMemoryOptions,
  progress?: Progress,
): Promise<LoadedMemory> {
  const { offset, snapshot, vmdesc, keepGoing = false, slack = false } = options;
  const vmdescription = vmdesc === undefined ? undefined : await loadVmdescription(vmdesc);
  const input = await openInput(path, { offset, snapshot, keepAll: true });
  try {
    const onItem = progress && readingProgress(input, progress);
    const guest = readGuestMemory(input, { vmdescription, keepGoing, slack, onItem });
    return new LoadedMemory(input, guest, options);
  } catch (error) {
    input[Symbol.dispose]();
    throw error;
  }
}

/** Says that there is no such block, and which there are. */
function unknownBlock(name: string, blocks: readonly RamBlock[]): string {
  const names = blocks.map((block) => escapeText(block.name));
  const said = `no RAM block is called '${escapeText(name)}'`;
  if (names.length === 0) return `${said}: the stream has none`;
  const near = blocks.filter((block) =>
    editDistance(block.name.toLowerCase(), name.toLowerCase()) <= 3
  );
  const [nearest] = near.length > 0
    ? near
    : blocks.filter((block) => name !== "" && block.name.includes(name));
  const hint = nearest === undefined ? "" : `; did you mean ${escapeText(nearest.name)}?`;
  return `${said}${hint} (there are ${names.join(", ")})`;
}
