/**
 * Damage to a vmdescription: the tree is changed and printed again, so that the text stays JSON.
 *
 * @module
 */

import { JsonNumber, JsonObject, type JsonValue, parseJson } from "../format/json.ts";
import type { Random } from "../tests/reading.ts";

const NUMBERS = [
  "0",
  "1",
  "-1",
  "2",
  "3",
  "255",
  "65536",
  "4294967295",
  "4294967296",
  "9007199254740991",
  "9007199254740993",
  "18446744073709551615",
  "1e3",
  "1e400",
  "0.5",
  "NaN",
];

const TEXTS = [
  "",
  "struct",
  "bool",
  "uint8",
  "uint32",
  "int64",
  "buffer",
  "unused_buffer",
  "timer",
  "cpudouble",
  "bitmap",
  "qtailq",
  "qlist",
  "gtree",
  "nullptr",
  "tmp",
  "tpm",
  "str",
  "virtio",
  "pci device",
  "fpreg",
  "ram",
  "name",
  "\u0000",
  "\ud800",
  "__proto__",
  "../x",
];

const MEMBERS = [
  "array_len",
  "size",
  "index",
  "type",
  "name",
  "version",
  "struct",
  "fields",
  "subsections",
  "vmsd_name",
  "instance_id",
  "page_size",
  "devices",
  "configuration",
];

/** Prints a value without loss: repeated members stay. */
export function printJson(value: JsonValue): string {
  if (value instanceof JsonNumber) return value.text;
  if (value instanceof JsonObject) {
    const members = value.members.map(([name, member]) =>
      `${JSON.stringify(name)}:${printJson(member)}`
    );
    return `{${members.join(",")}}`;
  }
  if (Array.isArray(value)) return `[${value.map(printJson).join(",")}]`;
  return JSON.stringify(value);
}

function countNodes(value: JsonValue): number {
  const inner = value instanceof JsonObject
    ? value.members.map(([, member]) => member)
    : Array.isArray(value)
    ? value as readonly JsonValue[]
    : [];
  return inner.reduce<number>((sum, each) => sum + countNodes(each), 1);
}

/** The node of a number, in the order of the text. */
function nodeAt(value: JsonValue, number: number): JsonValue {
  let left = number;
  let found: JsonValue = null;
  replaceNode(value, (node) => {
    if (left-- !== 0) return undefined;
    found = node;
    return node;
  });
  return found;
}

/** A copy with the first node replaced for which `change` gives something. */
function replaceNode(
  value: JsonValue,
  change: (value: JsonValue) => JsonValue | undefined,
): JsonValue {
  const changed = change(value);
  if (changed !== undefined) return changed;
  if (value instanceof JsonObject) {
    return new JsonObject(value.members.map(([name, each]) => [name, replaceNode(each, change)]));
  }
  if (Array.isArray(value)) {
    return (value as readonly JsonValue[]).map((each) => replaceNode(each, change));
  }
  return value;
}

function changeNode(node: JsonValue, root: JsonValue, nodes: number, random: Random): JsonValue {
  if (random.below(8) === 0) return nodeAt(root, random.below(nodes));
  if (random.below(40) === 0) return random.of<JsonValue>([null, true, [], new JsonObject([])]);
  if (node instanceof JsonNumber) return new JsonNumber(random.of(NUMBERS));
  if (typeof node === "string") return random.of(TEXTS);
  if (node instanceof JsonObject) return changeMembers(node, random);
  if (Array.isArray(node)) return changeElements(node as readonly JsonValue[], random);
  return node;
}

function changeMembers({ members }: JsonObject, random: Random): JsonObject {
  const at = random.below(members.length + 1);
  const chosen = members[Math.min(at, members.length - 1)];
  switch (random.below(5)) {
    case 0:
      return new JsonObject(members.toSpliced(at, 1));
    case 1:
      return new JsonObject(chosen === undefined ? members : members.toSpliced(at, 0, chosen));
    case 2:
      return new JsonObject(
        members.toSpliced(at, 0, [random.of(MEMBERS), new JsonNumber(random.of(NUMBERS))]),
      );
    case 3:
      return new JsonObject(members.toReversed());
    default:
      return chosen === undefined ? new JsonObject(members) : new JsonObject(
        members.with(Math.min(at, members.length - 1), [random.of(MEMBERS), chosen[1]]),
      );
  }
}

function changeElements(elements: readonly JsonValue[], random: Random): readonly JsonValue[] {
  const at = random.below(elements.length + 1);
  const chosen = elements[Math.min(at, elements.length - 1)] ?? null;
  switch (random.below(4)) {
    case 0:
      return elements.toSpliced(at, 1);
    case 1:
      return elements.toSpliced(at, 0, chosen);
    case 2:
      return elements.toReversed();
    default:
      return Array<JsonValue>(1 + random.below(300)).fill(chosen);
  }
}

const trees = new WeakMap<Uint8Array, { root: JsonValue; nodes: number }>();

/** A changed description; the text itself if it is no JSON. */
export function mutateDescription(text: Uint8Array, random: Random): Uint8Array {
  let tree = trees.get(text);
  if (tree === undefined) {
    const root = parseJson(new TextDecoder().decode(text));
    trees.set(text, tree = { root, nodes: countNodes(root) });
  }
  let { root } = tree;
  const { nodes } = tree;
  for (let count = 1 + random.below(3); count > 0; count--) {
    let left = random.below(nodes);
    const before = root;
    root = replaceNode(
      root,
      (node) => left-- === 0 ? changeNode(node, before, nodes, random) : undefined,
    );
  }
  return new TextEncoder().encode(printJson(root));
}
