/**
 * Changes to an image that somebody asks for by name, checked against the image before anything is written.
 *
 * @module
 */

import type { SectionItem, StreamItem } from "../../format/items.ts";
import { RAM_SECTION_IDSTR, type RamBlock } from "../../format/ram.ts";
import type { SectionIdentity } from "../../format/section.ts";
import { encodeText, quoteText } from "../../format/text.ts";
import { cutDevices } from "../../format/vmdescription_cut.ts";
import type { ImageChanges } from "../image/read_image.ts";
import type { MemoryView } from "../memory/memory_view.ts";
import { EditError } from "./edit_error.ts";
import { type Assignment, setFields } from "./set_field.ts";

/** What somebody asks for. */
export interface EditRequest {
  /** Name of the machine type. */
  readonly machine?: string | undefined;
  /** Sections that are left out: `IDSTR`, or `IDSTR/INSTANCE`. */
  readonly dropped?: readonly string[] | undefined;
  /** New names of RAM blocks. */
  readonly renamed?: readonly BlockRename[] | undefined;
  /** New values of device fields. */
  readonly assignments?: readonly Assignment[] | undefined;
  /** Whether the description is left out. */
  readonly stripVmdescription?: boolean | undefined;
}

/** A new name of a RAM block. */
export interface BlockRename {
  /** The name that it has. */
  readonly from: string;
  /** The name that it gets. */
  readonly to: string;
}

/** Whether a request changes more than what stands before the RAM: it can't be checked before the whole stream was read. */
export function isLateEdit({ dropped = [], renamed = [], assignments = [] }: EditRequest): boolean {
  return dropped.length + renamed.length + assignments.length > 0;
}

/**
 * What a request means for a stream with these items.
 *
 * @throws {EditError} for a section or field that isn't there, or a value that doesn't fit
 */
export function resolveEdits(request: EditRequest, items: readonly StreamItem[]): ImageChanges {
  const { machine, dropped: names = [], assignments = [], stripVmdescription = false } = request;
  if (machine !== undefined) checkMachine(machine, items);
  const sections = items.filter((item) => item.kind === "section");
  const dropped = droppedSections(names, sections);
  const kept = sections.filter(({ section }) => !dropped.has(section));
  const payloads = setFields(kept, assignments);
  return {
    machine,
    dropped,
    payloads,
    vmdescription: stripVmdescription ? null : remainingDescription(dropped, items),
  };
}

/** Refuses a machine type for a stream that has no place for it, or that no stream can hold. */
export function checkMachine(machine: string, items: readonly StreamItem[]): void {
  if (machine === "") throw new EditError("the name of a machine type is empty");
  if (items.some(({ kind }) => kind === "configuration")) return;
  throw new EditError("the stream has no configuration, so it has no place for a machine type");
}

function droppedSections(
  names: readonly string[],
  sections: readonly SectionItem[],
): Set<SectionIdentity> {
  const dropped = new Set<SectionIdentity>();
  for (const name of names) {
    const found = sections.filter(({ section: { idstr, instanceId } }) =>
      idstr === name || `${idstr}/${instanceId}` === name
    );
    if (found.length === 0) throw new EditError(noSuchSection(name, sections));
    if (found.some(({ section }) => section.idstr === RAM_SECTION_IDSTR)) {
      throw new EditError("the RAM sections can't be left out");
    }
    for (const { section } of found) dropped.add(section);
  }
  return dropped;
}

function noSuchSection(name: string, sections: readonly SectionItem[]): string {
  const names = [...new Set(sections.map(({ section }) => section.idstr))];
  return `there is no section ${quoteText(name)}; there are ${names.map(quoteText).join(", ")}`;
}

/** The description without the devices that are left out; `undefined` if it stays as it is. */
function remainingDescription(
  dropped: ReadonlySet<SectionIdentity>,
  items: readonly StreamItem[],
): Uint8Array | undefined {
  const item = items.find(({ kind }) => kind === "vmdescription");
  if (item?.kind !== "vmdescription" || dropped.size === 0) return undefined;
  const names = new Set([...dropped].map(({ idstr, instanceId }) => `${idstr}/${instanceId}`));
  return cutDevices(item.text, (index) => {
    const device = item.description.devices[index];
    return device === undefined || !names.has(`${device.name}/${device.instanceId}`);
  });
}

/** Longest name of a RAM block in bytes. */
const BLOCK_NAME_MAX_BYTES = 255;

/**
 * A memory whose blocks have other names.
 *
 * @throws {EditError} for a block that isn't there, a name that is taken, or one that is none
 */
export function renameBlocks(memory: MemoryView, renames: readonly BlockRename[]): MemoryView {
  if (renames.length === 0) return memory;
  const names = new Map<string, string>();
  for (const { from, to } of renames) {
    if (!memory.blocks.some(({ name }) => name === from)) {
      const known = memory.blocks.map(({ name }) => quoteText(name)).join(", ");
      throw new EditError(`there is no RAM block ${quoteText(from)}; there are ${known}`);
    }
    if (names.has(from)) throw new EditError(`RAM block ${quoteText(from)} gets two names`);
    const bytes = encodeText(to).length;
    if (bytes === 0 || bytes > BLOCK_NAME_MAX_BYTES) {
      throw new EditError(`the name of a RAM block has 1 to ${BLOCK_NAME_MAX_BYTES} bytes`);
    }
    names.set(from, to);
  }
  const renamed = new Map<RamBlock, RamBlock>();
  const taken = new Set<string>();
  for (const block of memory.blocks) {
    const name = names.get(block.name) ?? block.name;
    if (taken.has(name)) throw new EditError(`two RAM blocks would be called ${quoteText(name)}`);
    taken.add(name);
    renamed.set({ ...block, name }, block);
  }
  return {
    pageBytes: memory.pageBytes,
    blocks: [...renamed.keys()],
    runs: (block) => memory.runs(renamed.get(block)!),
    read: (block, address, into) => memory.read(renamed.get(block)!, address, into),
  };
}
