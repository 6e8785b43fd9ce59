/**
 * Real streams, broken in one place: what the tests of rules share.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { RuleGroup, RuleId } from "../analyze/validate/rule.ts";
import { RULES } from "../analyze/validate/rules/mod.ts";
import { validateSteps, type Validation } from "../analyze/validate/validate.ts";
import type { OpenInput } from "../container/open.ts";
import type { CommandName } from "../format/command.ts";
import type {
  CommandItem,
  ConfigurationItem,
  SectionItem,
  StreamItem,
  VmdescriptionItem,
} from "../format/items.ts";
import type { SectionType } from "../format/section.ts";
import { BytesSource } from "../format/source.ts";
import type { VmstateField, VmstateStruct } from "../format/vmstate.ts";
import { readItems } from "./reading.ts";
import { loadStream } from "./testdata.ts";

/** A stream to be broken. */
export class Victim {
  /** Its bytes, which may be changed. */
  bytes: Uint8Array;
  /** Its items. */
  readonly items: readonly StreamItem[];

  /** Takes a stream of testdata/ that begins at an offset. */
  constructor(name: string, offset = 0) {
    this.bytes = loadStream(name);
    const { items, error } = readItems(new BytesSource(this.bytes), { offset });
    if (error !== undefined) throw error;
    this.items = items;
  }

  /** The first item of a kind. */
  first<Kind extends StreamItem["kind"]>(kind: Kind): StreamItem & { kind: Kind } {
    const item = this.items.find((each) => each.kind === kind);
    if (item === undefined) throw new Error(`no ${kind}`);
    return item as StreamItem & { kind: Kind };
  }

  /** The configuration. */
  get configuration(): ConfigurationItem {
    return this.first("configuration");
  }

  /** The vmdescription. */
  get description(): VmdescriptionItem {
    return this.first("vmdescription");
  }

  /** The first section of a type with a name. */
  section(type: SectionType, idstr: string): SectionItem {
    const found = this.items.find((item) =>
      item.kind === "section" && item.type === type && item.section.idstr === idstr
    );
    if (found?.kind !== "section") throw new Error(`no ${type} ${idstr}`);
    return found;
  }

  /** The first command of a name. */
  command(name: CommandName): CommandItem {
    const found = this.items.find((item) => item.kind === "command" && item.command.name === name);
    if (found?.kind !== "command") throw new Error(`no ${name}`);
    return found;
  }

  /** The item behind another one: of a section, its footer. */
  behind(item: StreamItem): StreamItem {
    return this.items[this.items.indexOf(item) + 1]!;
  }

  /** The bytes of an item; of a section with its footer. */
  bytesOf(item: StreamItem): Uint8Array {
    return this.bytes.slice(item.offset, this.endOf(item));
  }

  /** The offset behind an item; of a section, behind its footer. */
  endOf(item: StreamItem): number {
    const last = item.kind === "section" ? this.behind(item) : item;
    return last.offset + last.lengthBytes;
  }

  /** Overwrites bytes. */
  put(offset: number, ...values: number[]): Uint8Array {
    this.bytes.set(values, offset);
    return this.bytes;
  }

  /** Overwrites a be32. */
  put32(offset: number, value: number): Uint8Array {
    new DataView(this.bytes.buffer).setUint32(offset, value);
    return this.bytes;
  }

  /** Takes bytes out and puts others in their place. */
  splice(offset: number, remove: number, insert: Uint8Array | readonly number[] = []): Uint8Array {
    const rest = this.bytes.slice(offset + remove);
    const bytes = new Uint8Array(offset + insert.length + rest.length);
    bytes.set(this.bytes.subarray(0, offset));
    bytes.set(insert, offset);
    bytes.set(rest, offset + insert.length);
    return this.bytes = bytes;
  }

  /** Takes an item out; a section with its footer. */
  remove(item: StreamItem): Uint8Array {
    return this.splice(item.offset, this.endOf(item) - item.offset);
  }

  /** Changes the text of the vmdescription, and its length with it. Comes before other changes of length. */
  describe(change: (text: string) => string): Uint8Array {
    const { textOffset, text } = this.description;
    const before = new TextDecoder().decode(text);
    const after = change(before);
    if (before === after) throw new Error("the description is as it was");
    const changed = new TextEncoder().encode(after);
    this.put32(textOffset - 4, changed.length);
    return this.splice(textOffset, text.length, changed);
  }

  /** Offset and path of the first field that is wanted, in any device. */
  field(isWanted: (field: VmstateField) => boolean): { item: SectionItem; offset: number } {
    for (const item of this.items) {
      if (item.kind !== "section" || item.device === undefined) continue;
      const found = findField(item.device.state, isWanted);
      if (found !== undefined) return { item, offset: item.payloadOffset + found.offset };
    }
    throw new Error("no such field");
  }
}

function findField(
  { fields, subsections }: VmstateStruct,
  isWanted: (field: VmstateField) => boolean,
): VmstateField | undefined {
  for (const field of fields) {
    if (isWanted(field)) return field;
    for (const element of field.elements ?? []) {
      const found = findField(element, isWanted);
      if (found !== undefined) return found;
    }
  }
  for (const subsection of subsections) {
    const found = findField(subsection, isWanted);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Bytes as an input that was opened. */
export function inputOf(bytes: Uint8Array, streamOffset = 0): OpenInput {
  return {
    path: "test",
    container: "none",
    wrappers: [],
    streamOffset,
    source: new BytesSource(bytes),
    channels: [],
    notes: [],
    [Symbol.dispose]: () => {},
  };
}

/** Checks bytes against all rules. */
export function validateBytes(bytes: Uint8Array, streamOffset = 0, slack = false): Validation {
  const steps = validateSteps(inputOf(bytes, streamOffset), { slack });
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** The rules that are broken, sorted. */
export function brokenBy({ findings }: Validation): RuleId[] {
  return [...findings.counts.keys()].sort();
}

/** A way to break a rule. */
export interface Break {
  /** The rule. */
  readonly rule: RuleId;
  /** Name of a case in testdata/. */
  readonly from: string;
  /** Absolute offset of the stream. */
  readonly offset?: number;
  /** Whether pages that are not part of the memory are looked at, too. */
  readonly slack?: boolean;
  /** What is done, where there are several ways. */
  readonly how?: string;
  /** Breaks it in one place. */
  readonly break: (victim: Victim) => Uint8Array;
  /** Rules that are broken by the same damage. */
  readonly also?: readonly RuleId[];
}

/** Makes a test of each way to break a rule, and one that no rule of the groups is left out. */
export function testBreaks(
  groups: readonly RuleGroup[],
  breaks: readonly Break[],
  notCheckable: readonly RuleId[],
): void {
  for (const { rule, from, offset = 0, slack, how, break: damage, also = [] } of breaks) {
    Deno.test(`rules: ${rule} is broken by ${from}${how === undefined ? "" : ` (${how})`}`, () => {
      const validation = validateBytes(damage(new Victim(from, offset)), offset, slack);
      assertEquals(brokenBy(validation), [rule, ...also].sort());
    });
  }
  Deno.test(`rules: all of ${groups.join(", ")} are tested, or nobody can check them here`, () => {
    const wanted = RULES.map(({ id }) => id).filter((id) =>
      groups.some((group) => id.startsWith(`${group}-`))
    );
    const tested = new Set([...breaks.map(({ rule }) => rule), ...notCheckable]);
    assertEquals(wanted.filter((id) => !tested.has(id)), []);
    for (const id of notCheckable) {
      const title = RULES.find((rule) => rule.id === id)?.title ?? "";
      assertEquals(/can tell/.test(title), true, `${id} says who can check it`);
    }
  });
}
