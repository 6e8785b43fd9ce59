/**
 * The vmdescription against the stream, and against itself.
 *
 * @module
 */

import type { SectionItem, StreamItem, VmdescriptionItem } from "../../../format/items.ts";
import { JsonObject, type JsonValue, parseJson } from "../../../format/json.ts";
import { decodeText, quoteText } from "../../../format/text.ts";
import type { FieldDescription, VmsdDescription } from "../../../format/vmdescription.ts";
import type { Check, CheckContext } from "../check.ts";
import type { FindingDetails } from "../findings.ts";
import type { RuleId } from "../rule.ts";

/** Bytes of a description in which members of one name are looked for; real ones have at most some 500 KiB. */
const DUPLICATES_MAX_BYTES = 8 << 20;
/** Types whose elements are described in the field's own object, one after the other. */
const REPEATING_TYPES: ReadonlySet<JsonValue | undefined> = new Set(["qtailq", "qlist", "gtree"]);

/** Sizes of types that are the same on all targets. */
const SIZES: Readonly<Record<string, readonly number[]>> = {
  "bool": [1],
  "int8": [1],
  "int16": [2],
  "int32": [4],
  "int64": [8],
  "uint8": [1],
  "uint16": [2],
  "uint32": [4],
  "uint64": [8],
  "int32 equal": [4],
  "uint8 equal": [1],
  "uint16 equal": [2],
  "uint32 equal": [4],
  "int64 equal": [8],
  "int32 le": [4],
  "float64": [8],
  "CPU_Double_U": [8],
  "timer": [8],
  "nullptr": [1],
  "ptr-marker": [1],
  "pci config": [256, 4096],
  "pci irq state": [16],
};

/** Checks VMD-001, VMD-004..VMD-007, SUB-001, SUB-003 and SUB-005. */
export function descriptionCheck(context: CheckContext): Check {
  const sections = new Map<string, number[]>();
  const order: string[] = [];
  return {
    item: (item: StreamItem) => {
      const isNew = item.kind === "section" && (item.type === "start" || item.type === "full");
      if (isNew && item.payload === undefined) {
        checkVersion(context, item);
        const key = keyOf(item.section.idstr, item.section.instanceId);
        const offsets = sections.get(key);
        if (offsets === undefined) sections.set(key, [item.offset]);
        else offsets.push(item.offset);
        order.push(key);
      } else if (item.kind === "vmdescription") {
        compare(context, item, sections, order);
        new DescriptionCheck(context, item).all();
      }
    },
  };
}

function keyOf(idstr: string, instanceId: number): string {
  return `${quoteText(idstr)} instance ${instanceId}`;
}

function checkVersion(context: CheckContext, { device, section, offset }: SectionItem): void {
  const state = device?.description.state;
  // Entries of the old style have no version in their description.
  if (state === undefined || state.vmsdName === "" || state.version === section.versionId) return;
  context.report("VMD-004", {
    offset,
    path: [`section ${section.id} ${quoteText(section.idstr)}`],
    message: "The section has another version than its description",
    expected: `${state.version}`,
    found: `${section.versionId}`,
  });
}

/** Each device section has to be described, and each described device to be there, in the same order. */
function compare(
  context: CheckContext,
  { description, offset }: VmdescriptionItem,
  sections: ReadonlyMap<string, readonly number[]>,
  order: readonly string[],
): void {
  const counts = new Map<string, number>();
  const keys = description.devices.map(({ name, instanceId }) => keyOf(name, instanceId));
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  const report = (details: FindingDetails) => context.report("VMD-001", details);
  let differs = false;
  for (const [key, offsets] of sections) {
    for (const at of offsets.slice(counts.get(key) ?? 0)) {
      differs = true;
      report({ offset: at, message: `The vmdescription has no device ${key}` });
    }
  }
  if (context.isDamaged) return;
  const path = ["vmdescription"];
  for (const [key, count] of counts) {
    const there = sections.get(key)?.length ?? 0;
    if (there >= count) continue;
    differs = true;
    report({ offset, path, message: `The stream has no section of the device ${key}` });
  }
  const index = differs ? -1 : keys.findIndex((key, at) => key !== order[at]);
  if (index < 0) return;
  const message = "The devices are described in another order than that of their sections";
  report({ offset, path, message, expected: order[index], found: keys[index] });
}

/** Looks at a description for itself. */
class DescriptionCheck {
  readonly #context: CheckContext;
  readonly #item: VmdescriptionItem;
  readonly #path: string[] = ["vmdescription"];

  constructor(context: CheckContext, item: VmdescriptionItem) {
    this.#context = context;
    this.#item = item;
  }

  all(): void {
    for (const { name, state } of this.#item.description.devices) {
      this.#inside(`device ${quoteText(name)}`, () => this.#vmsd(state));
    }
    const { text } = this.#item;
    if (text.length <= DUPLICATES_MAX_BYTES) this.#duplicates(parseJson(decodeText(text)));
  }

  #inside(step: string, action: () => void): void {
    this.#path.push(step);
    action();
    this.#path.pop();
  }

  #report(rule: RuleId, message: string, expected?: string, found?: string): void {
    const { textOffset } = this.#item;
    const path = [...this.#path];
    this.#context.report(rule, { offset: textOffset, path, message, expected, found });
  }

  #vmsd(vmsd: VmsdDescription): void {
    for (const field of vmsd.fields) this.#inside(field.name, () => this.#field(field));
    const names = new Set<string>();
    for (const subsection of vmsd.subsections) {
      this.#inside(subsection.vmsdName, () => {
        this.#subsection(vmsd, subsection, names);
        this.#vmsd(subsection);
      });
    }
  }

  #subsection(parent: VmsdDescription, subsection: VmsdDescription, names: Set<string>): void {
    const { vmsdName, version } = subsection;
    if (!vmsdName.startsWith(parent.vmsdName) || vmsdName.length === parent.vmsdName.length) {
      const message = "The subsection's name does not begin with that of its structure";
      this.#report(
        "SUB-001",
        message,
        `${quoteText(parent.vmsdName)} and more`,
        quoteText(vmsdName),
      );
    }
    if (names.has(vmsdName)) this.#report("SUB-003", "The subsection stands there twice");
    names.add(vmsdName);
    if (version >= 256) {
      this.#report("SUB-005", "The subsection's version is too large", "below 256", `${version}`);
    }
  }

  #field({ type, sizeBytes, arrayLength, struct, inline }: FieldDescription): void {
    if (arrayLength !== undefined && arrayLength < 2) {
      const message = "An array of less than two elements is described as an array";
      this.#report("VMD-005", message, "2 or more", `${arrayLength}`);
    }
    const sizes = Object.hasOwn(SIZES, type) ? SIZES[type]! : undefined;
    if (sizes !== undefined && !sizes.includes(sizeBytes)) {
      const message = `A field of type ${quoteText(type)} has another size`;
      this.#report("VMD-006", message, `${sizes.join(" or ")} byte(s)`, `${sizeBytes} byte(s)`);
    }
    if (struct !== undefined) this.#vmsd(struct);
    for (const element of inline) this.#vmsd(element);
  }

  /** Objects are kept apart from those of the parsed description, which has lost what stands there twice. */
  #duplicates(root: JsonValue): void {
    const open: JsonValue[] = [root];
    for (let value = open.pop(); value !== undefined; value = open.pop()) {
      if (Array.isArray(value)) {
        for (const each of value) open.push(each);
      } else if (value instanceof JsonObject) {
        const names = new Set<string>();
        const mayRepeat = REPEATING_TYPES.has(value.get("type"));
        for (const [name, member] of value.members) {
          if (names.has(name) && !mayRepeat) {
            const found = `${quoteText(name)} in an object named ${String(value.get("name"))}`;
            this.#report("VMD-007", "An object has two members of one name", "one", found);
          }
          names.add(name);
          open.push(member);
        }
      }
    }
  }
}
