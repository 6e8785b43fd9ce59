/**
 * The JSON text of `qemu-system-x86_64 -M pc-i440fx-10.0 -dump-vmstate out.json`: what this QEMU could read.
 *
 * ```text
 * top          "vmschkmachine": { "Name": machine }, then the types of devices by name
 * device       Name, version_id, minimum_version_id, [Description]
 * Description  name, version_id, minimum_version_id, [Fields], [Subsections]
 * Field        field, version_id, field_exists, [num], size, [Description]
 * ```
 *
 * `size` counts in memory, so that it tells something only of plain integers and buffers. A dump lists all types of devices, whether the
 * machine has them or not, and no structures of anything that is no device.
 *
 * @module
 */

import { FormatError } from "../../../format/error.ts";
import type { Destination, TheirField, TheirStruct } from "./destination.ts";

/** Structures inside each other that are read. */
const MAX_DEPTH = 100;

interface Json {
  readonly [name: string]: unknown;
}

/** Takes parsed JSON for a dump; `undefined` if it is none. */
export function parseDump(value: unknown): Destination | undefined {
  if (!isObject(value) || !isObject(value["vmschkmachine"])) return undefined;
  const devices = new Map<string, TheirStruct[]>();
  for (const [name, device] of Object.entries(value)) {
    if (name === "vmschkmachine" || !isObject(device)) continue;
    const { Description: description } = device;
    if (!isObject(description)) continue;
    const struct = dumpedStruct(description, 0);
    const alike = devices.get(struct.vmsdName);
    if (alike === undefined) devices.set(struct.vmsdName, [struct]);
    else alike.push(struct);
  }
  const machine = value["vmschkmachine"]["Name"];
  return {
    kind: "dump",
    machine: typeof machine === "string" ? machine : undefined,
    pageBytes: undefined,
    blocks: undefined,
    devices,
  };
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function dumpedStruct(value: Json, depth: number): TheirStruct {
  if (depth > MAX_DEPTH) throw bad("Structures", `at most ${MAX_DEPTH} inside each other`);
  const fields = objects(value["Fields"], "Fields");
  return {
    vmsdName: text(value, "name"),
    version: count(value, "version_id"),
    minimumVersion: count(value, "minimum_version_id"),
    fields: numbered(fields).map(([name, field]) => dumpedField(name, field, depth)),
    subsections: objects(value["Subsections"], "Subsections").map((each) =>
      dumpedStruct(each, depth + 1)
    ),
  };
}

/** Fields with their names: those of one name get numbers, as they do in a vmdescription. */
function numbered(fields: readonly Json[]): (readonly [string, Json])[] {
  const names = fields.map((field) => text(field, "field"));
  const totals = new Map<string, number>();
  for (const name of names) totals.set(name, (totals.get(name) ?? 0) + 1);
  const seen = new Map<string, number>();
  return fields.map((field, index) => {
    const name = names[index]!;
    if (totals.get(name) === 1) return [name, field];
    const number = seen.get(name) ?? 0;
    seen.set(name, number + 1);
    return [`${name}[${number}]`, field];
  });
}

function dumpedField(name: string, value: Json, depth: number): TheirField {
  const { Description: description, field_exists: exists } = value;
  const sizeBytes = count(value, "size");
  return {
    name,
    type: undefined,
    sizeBytes: sizeBytes === 0 ? undefined : sizeBytes,
    arrayLength: value["num"] === undefined ? undefined : count(value, "num"),
    sinceVersion: count(value, "version_id"),
    isConditional: exists === true,
    struct: isObject(description) ? dumpedStruct(description, depth + 1) : undefined,
  };
}

function objects(value: unknown, name: string): readonly Json[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every(isObject)) return value;
  throw bad(name, "a list of objects");
}

function text(value: Json, name: string): string {
  const found = value[name];
  if (typeof found === "string") return found;
  throw bad(name, "a string");
}

function count(value: Json, name: string): number {
  const found = value[name];
  if (Number.isSafeInteger(found)) return found as number;
  throw bad(name, "a whole number");
}

function bad(name: string, expected: string): FormatError {
  return new FormatError("bad-vmdescription", `Cannot use -dump-vmstate: ${name}`, {
    offset: 0,
    expected,
  });
}
