/**
 * The values in a decoded device section, by the names that QEMU gave its fields.
 *
 * ```ts
 * import { DeviceFields } from "./fields.ts";
 * import type { DeviceState } from "../format/items.ts";
 *
 * function instructionPointer(device: DeviceState): bigint | undefined {
 *   return new DeviceFields(device).number("env.eip");
 * }
 * ```
 *
 * A field that is not there gives `undefined` or nothing: which fields a device has depends on QEMU's release and on the guest.
 *
 * @module
 */

import type { DeviceState } from "../format/items.ts";
import type { VmstateField, VmstateStruct } from "../format/vmstate.ts";
import { vmstateKind } from "../format/vmstate_types.ts";

/** Most bytes of a field that is taken for a number. */
const MAX_NUMBER_BYTES = 8;

/** Where one element of a field stands, and what it means. */
export interface FieldPlace {
  /** Type string. */
  readonly type: string;
  /** Offset in the section's payload. */
  readonly offset: number;
  /** Bytes of the element. */
  readonly sizeBytes: number;
}

/**
 * The fields of a structure: of a device, of a subsection, or of an element of a `struct` field.
 *
 * @example
 * ```ts
 * import { DeviceFields, openInput, readState } from "@migstream/migstream";
 *
 * using input = await openInput("testdata/pc.mig");
 * const { entries } = readState(input.source);
 * const { device } = entries.find(({ section }) => section.idstr === "cpu")!.first;
 * console.log(new DeviceFields(device!).number("env.eip"));
 * ```
 */
export class DeviceFields {
  readonly #bytes: Uint8Array;
  readonly #struct: VmstateStruct;

  /** Looks into a structure of a device; by default its outermost one. */
  constructor(device: Pick<DeviceState, "bytes" | "state">, struct: VmstateStruct = device.state) {
    this.#bytes = device.bytes;
    this.#struct = struct;
  }

  /** Whether there is a field of this name. */
  has(name: string): boolean {
    return this.#struct.fields.some((field) => field.name === name);
  }

  /** Where the elements of the fields of one name stand, in stream order; those that have an inside are left out. */
  *places(name: string): Generator<FieldPlace> {
    for (const { type, offset, lengthBytes, count } of this.#plain(name)) {
      const sizeBytes = lengthBytes / count;
      for (let index = 0; index < count; index++) {
        yield { type, offset: offset + index * sizeBytes, sizeBytes };
      }
    }
  }

  *#plain(name: string): Generator<VmstateField> {
    for (const field of this.#struct.fields) {
      // An element without bytes has no value, and there may be any number of them.
      if (field.name !== name || field.elements !== undefined || field.lengthBytes === 0) continue;
      yield field;
    }
  }

  /** The numbers of an array, or of a lone field; empty where there is no such field. Signed ones are negative where they are. */
  numbers(name: string): bigint[] {
    return [...this.places(name)].filter((place) => place.sizeBytes <= MAX_NUMBER_BYTES).map(
      (place) => this.#number(place),
    );
  }

  /** One number. */
  number(name: string, index = 0): bigint | undefined {
    return this.numbers(name)[index];
  }

  #number({ type, offset, sizeBytes }: FieldPlace): bigint {
    let value = 0n;
    for (const byte of this.#bytes.subarray(offset, offset + sizeBytes)) {
      value = value << 8n | BigInt(byte);
    }
    return vmstateKind(type, sizeBytes) === "signed" ? BigInt.asIntN(8 * sizeBytes, value) : value;
  }

  /** The bytes of one element, which are not copied. */
  bytes(name: string, index = 0): Uint8Array | undefined {
    const place = [...this.places(name)][index];
    return place && this.#bytes.subarray(place.offset, place.offset + place.sizeBytes);
  }

  /** The structures in a field, in stream order. */
  structs(name: string): DeviceFields[] {
    const device = { bytes: this.#bytes, state: this.#struct };
    return this.#struct.fields.filter((field) => field.name === name)
      .flatMap((field) => field.elements ?? [])
      .map((struct) => new DeviceFields(device, struct));
  }

  /** A subsection by its full name, e.g. `cpu/vfp`. */
  subsection(vmsdName: string): DeviceFields | undefined {
    const struct = this.#struct.subsections.find((found) => found.vmsdName === vmsdName);
    return struct && new DeviceFields({ bytes: this.#bytes, state: this.#struct }, struct);
  }
}
