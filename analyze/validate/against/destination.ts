/**
 * What is known of another QEMU that shall load an image: the structures that it reads, and the machine.
 *
 * @module
 */

import type { RamBlock } from "../../../format/ram.ts";
import type {
  DeviceDescription,
  FieldDescription,
  Vmdescription,
  VmsdDescription,
} from "../../../format/vmdescription.ts";

/** A field that the destination reads. */
export interface TheirField {
  /** Name. */
  readonly name: string;
  /** Type string; `undefined` where it is not known. */
  readonly type: string | undefined;
  /** Bytes of one element, in the stream or in memory; `undefined` where it is not known. */
  readonly sizeBytes: number | undefined;
  /** Number of elements, where it is fixed. */
  readonly arrayLength: number | undefined;
  /** The first version of the structure that has the field. */
  readonly sinceVersion: number;
  /** Whether the field is there only in some states. */
  readonly isConditional: boolean;
  /** The structure of an element. */
  readonly struct: TheirStruct | undefined;
}

/** A structure that the destination reads. */
export interface TheirStruct {
  /** Name of the VMStateDescription. */
  readonly vmsdName: string;
  /** Version that it writes, the highest that it reads. */
  readonly version: number;
  /** The lowest version that it reads; `undefined` where it is not known. */
  readonly minimumVersion: number | undefined;
  /** Fields in stream order. */
  readonly fields: readonly TheirField[];
  /** Subsections. */
  readonly subsections: readonly TheirStruct[];
}

/** A QEMU that shall load an image. */
export interface Destination {
  /** What it is known from. An image shows one state of it; a dump shows all that it could read. */
  readonly kind: "image" | "description" | "dump";
  /** Name of the machine type. */
  readonly machine: string | undefined;
  /** Target page size in bytes. */
  readonly pageBytes: number | undefined;
  /** The RAM blocks. */
  readonly blocks: readonly RamBlock[] | undefined;
  /** Structures of devices: of an image by {@link deviceKey}, of a dump by the names of the structures. */
  readonly devices: ReadonlyMap<string, readonly TheirStruct[]>;
}

/** What a device is known by in an image. */
export function deviceKey(
  { name, instanceId }: Pick<DeviceDescription, "name" | "instanceId">,
): string {
  return `${name}\0${instanceId}`;
}

/** What the description in another image says of the QEMU that wrote it. */
export function describedDevices(
  { devices }: Vmdescription,
): ReadonlyMap<string, readonly TheirStruct[]> {
  return new Map(devices.map((device) => [deviceKey(device), [describedStruct(device.state)]]));
}

function describedStruct(vmsd: VmsdDescription): TheirStruct {
  return {
    vmsdName: vmsd.vmsdName,
    version: vmsd.version,
    minimumVersion: undefined,
    fields: fieldGroups(vmsd.fields).map(describedField),
    subsections: vmsd.subsections.map(describedStruct),
  };
}

function describedField({ field, count }: FieldGroup): TheirField {
  const inside = field.struct ?? field.inline[0];
  return {
    name: field.name,
    type: field.type,
    sizeBytes: inside === undefined ? field.sizeBytes : undefined,
    arrayLength: count,
    sinceVersion: 0,
    isConditional: false,
    struct: inside === undefined ? undefined : describedStruct(inside),
  };
}

/** A field with all its elements. */
export interface FieldGroup {
  /** The first element that is no null pointer, or else the first. */
  readonly field: FieldDescription;
  /** Elements. */
  readonly count: number;
}

/** Types of elements that are null pointers. */
const NULL_TYPES: ReadonlySet<string> = new Set(["nullptr", "ptr-marker"]);

/** Fields of one name that follow each other are one array. */
export function fieldGroups(fields: readonly FieldDescription[]): FieldGroup[] {
  const groups: { field: FieldDescription; count: number }[] = [];
  for (const field of fields) {
    const count = field.arrayLength ?? 1;
    const last = groups.at(-1);
    if (last?.field.name !== field.name) groups.push({ field, count });
    else {
      last.count += count;
      if (NULL_TYPES.has(last.field.type)) last.field = field;
    }
  }
  return groups;
}

/** Whether nothing but null pointers is there, so that the elements can't be compared. */
export function isNullField({ type }: FieldDescription): boolean {
  return NULL_TYPES.has(type);
}
