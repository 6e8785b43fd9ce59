/**
 * Sets fields of device state: what `migstream convert --set` does.
 *
 * ```ts
 * import { setFields } from "./set_field.ts";
 * import type { SectionItem } from "../../format/items.ts";
 *
 * function startAt(sections: readonly SectionItem[], address: number) {
 *   return setFields(sections, [{ path: "cpu/0/env.eip", text: String(address) }]);
 * }
 * ```
 *
 * A path is the section's idstr and instance, with slashes, and a field's path as field_path.ts has it. Sizes never change, so that only
 * the payload's bytes do: headers, footers, the description and everything behind stay as they are.
 *
 * @module
 */

import { isFormatError } from "../../format/error.ts";
import { GLOBAL_STATE_IDSTR } from "../../format/global_state.ts";
import type { DeviceState } from "../../format/items.ts";
import type { SectionIdentity } from "../../format/section.ts";
import { escapeText, hex } from "../../format/text.ts";
import { decodeVmstate, type VmstateStruct } from "../../format/vmstate.ts";
import { encodePrimitive, vmstateKind } from "../../format/vmstate_types.ts";
import { cannotSet, EditError } from "./edit_error.ts";
import { type FieldTarget, resolveField } from "./field_path.ts";
import { fieldBytesOfFile, fieldBytesOfText } from "./field_value.ts";
import { nearestName } from "./nearest.ts";

/** A section that may be edited; a `SectionItem` is one. */
export interface EditableSection {
  /** What its header says. */
  readonly section: Pick<SectionIdentity, "idstr" | "instanceId">;
  /** The decoded state, where a description fits. */
  readonly device?: DeviceState;
}

/** A field and its new value: as text, or the bytes of the whole field. */
export type Assignment =
  | { readonly path: string; readonly text: string }
  | { readonly path: string; readonly bytes: Uint8Array };

/** Takes `PATH=VALUE` apart at the first equals sign. */
export function parseAssignment(given: string): { readonly path: string; readonly text: string } {
  const at = given.indexOf("=");
  if (at < 1) throw cannotSet(given, "it is not of the form PATH=VALUE");
  return { path: given.slice(0, at), text: given.slice(at + 1) };
}

/**
 * The new payloads of the sections that the assignments change; the old ones stay as they are. Of two assignments to one field the later
 * one counts.
 *
 * @example
 * ```ts
 * import { openInput, readState, setFields } from "@migstream/migstream";
 *
 * using input = await openInput("testdata/pc.mig");
 * const sections = readState(input.source).entries.map(({ first }) => first);
 * const payloads = setFields(sections, [{ path: "cpu/0/env.eip", text: "0x7c00" }]);
 * for (const [{ section }, bytes] of payloads) console.log(section.idstr, bytes.length);
 * ```
 *
 * @throws {EditError} where a path leads nowhere or to several fields, or a value does not fit
 */
export function setFields<Section extends EditableSection>(
  sections: Iterable<Section>,
  assignments: Iterable<Assignment>,
): Map<Section, Uint8Array> {
  const all = [...sections];
  const payloads = new Map<Section, Uint8Array>();
  for (const assignment of assignments) {
    const { section, device, target } = findTarget(all, assignment.path);
    const payload = payloads.get(section) ?? device.bytes.slice();
    assign(payload, section, target, assignment);
    checkReading(device, payload, assignment.path);
    payloads.set(section, payload);
  }
  return payloads;
}

/** Where a path leads. */
interface Found<Section> {
  readonly section: Section;
  readonly device: DeviceState;
  readonly target: FieldTarget;
}

function findTarget<Section extends EditableSection>(
  sections: readonly Section[],
  path: string,
): Found<Section> {
  const matching = sections.filter((section) => path.startsWith(`${keyOf(section)}/`))
    .sort((a, b) => keyOf(b).length - keyOf(a).length);
  if (matching.length === 0) throw noSection(sections, path);
  let failure: EditError | undefined;
  for (const { length } of new Set(matching.map(keyOf))) {
    const same = matching.filter((section) => keyOf(section).length === length);
    try {
      return findIn(same, path, length + 1);
    } catch (error) {
      if (!(error instanceof EditError)) throw error;
      failure ??= error;
    }
  }
  throw failure;
}

/** Looks in the sections of one name: mostly one, but a stream may have a device more than once. */
function findIn<Section extends EditableSection>(
  sections: readonly Section[],
  path: string,
  start: number,
): Found<Section> {
  const described = sections.filter(({ device }) => device !== undefined);
  const [section, ...others] = described;
  const key = escapeText(path.slice(0, start - 1));
  if (section === undefined) {
    throw cannotSet(path, `nothing describes the fields of ${key}: they can't be told apart`);
  }
  if (others.length > 0) {
    const places = described.map(({ device }) => `at offset ${hex(device!.payloadOffset)}`);
    throw cannotSet(path, `there is more than one ${key}: ${places.join(", ")}`);
  }
  const device = section.device!;
  return { section, device, target: resolveField(device, path, start) };
}

function keyOf({ section }: EditableSection): string {
  return `${escapeText(section.idstr)}/${section.instanceId}`;
}

function noSection(sections: readonly EditableSection[], path: string): EditError {
  const keys = new Set(sections.map(keyOf));
  if (keys.has(path)) return cannotSet(path, "it is a section; name a field of it");
  const nearest = nearestName(keys, path);
  const hint = nearest === undefined ? "" : `; did you mean ${nearest}/...?`;
  return cannotSet(path, `no such section${hint}`);
}

function assign(
  payload: Uint8Array,
  { section }: EditableSection,
  target: FieldTarget,
  assignment: Assignment,
): void {
  const value = "text" in assignment
    ? fieldBytesOfText(target, assignment.text, payload)
    : fieldBytesOfFile(target, assignment.bytes);
  if (value.reason !== undefined) throw cannotSet(assignment.path, value.reason);
  payload.set(value.bytes, target.slots[0]!.offset);
  const isRunState = section.idstr === GLOBAL_STATE_IDSTR && target.name === "runstate";
  if (isRunState && value.isText) setRunStateSize(payload, target.struct, value.bytes, assignment);
}

/** QEMU writes the length of the run state's name, and its NUL, beside it. */
function setRunStateSize(
  payload: Uint8Array,
  struct: VmstateStruct,
  name: Uint8Array,
  { path }: Assignment,
): void {
  const nul = name.indexOf(0);
  if (nul < 0) throw cannotSet(path, `a run state has at most ${name.length - 1} bytes`);
  const size = struct.fields.find((field) => field.name === "size" && field.count === 1);
  if (size === undefined || vmstateKind(size.type, size.lengthBytes) !== "unsigned") return;
  const value = { kind: "unsigned", value: nul + 1 } as const;
  payload.set(encodePrimitive(size.type, size.lengthBytes, value), size.offset);
}

/** Where null pointers are not described, a structure's first byte must not become that of one. */
function checkReading(device: DeviceState, payload: Uint8Array, path: string): void {
  if (device.reading !== "nulls") return;
  try {
    const options = { reading: device.reading };
    const state = decodeVmstate(payload, device.description.state, options);
    if (shapeOf(state) === shapeOf(device.state)) return;
  } catch (error) {
    if (!isFormatError(error)) throw error;
  }
  throw cannotSet(path, "the structure would be taken for a null pointer afterwards");
}

function shapeOf(state: VmstateStruct): string {
  return JSON.stringify(state, (_, value) => typeof value === "bigint" ? `${value}n` : value);
}
