/**
 * Values in device state that no QEMU writes.
 *
 * @module
 */

import type { DeviceState, StreamItem } from "../../../format/items.ts";
import { NULL_POINTER } from "../../../format/pointer_arrays.ts";
import { hex, quoteText } from "../../../format/text.ts";
import type { VmstateField, VmstateStruct } from "../../../format/vmstate.ts";
import type { Check, CheckContext } from "../check.ts";
import type { RuleId } from "../rule.ts";

/** What stands for an element that is there, in an array of pointers. */
const POINTER = 0x31;

/** Checks VMD-008, VMD-009, VMD-010 and FLD-002..FLD-004. */
export function fieldsCheck(context: CheckContext): Check {
  return {
    item: (item: StreamItem) => {
      if (item.kind !== "section" || item.device === undefined) return;
      const { section: { id, idstr }, payloadOffset } = item;
      const path = [`section ${id} ${quoteText(idstr)}`];
      if (item.device.reading !== "described") {
        context.report("VMD-010", {
          offset: payloadOffset,
          path,
          message: "An array of pointers is described as several releases of QEMU wrongly do",
          found: `null elements ${
            item.device.reading === "runs" ? "counted twice" : "not described"
          }`,
        });
      }
      new FieldsCheck(context, item.device, path).struct(item.device.state);
    },
  };
}

/** What is wrong with a byte or number of a field. */
interface Fault {
  readonly rule: RuleId;
  readonly message: string;
  readonly expected: string;
}

const NO_BOOL: Fault = { rule: "VMD-009", message: "A truth value is no bool", expected: "0 or 1" };
const NO_MARKER: Fault = {
  rule: "VMD-008",
  message: "An element of an array of pointers has another mark",
  expected: "0x30 or 0x31",
};
const NOT_UNUSED: Fault = {
  rule: "FLD-003",
  message: "A field that is not in use is not zero",
  expected: "0",
};
const NEGATIVE: Fault = { rule: "FLD-002", message: "The number is negative", expected: "0..." };
const NO_LEVEL: Fault = {
  rule: "FLD-004",
  message: "The level of an interrupt pin is impossible",
  expected: "0 or 1",
};

class FieldsCheck {
  readonly #context: CheckContext;
  readonly #device: DeviceState;
  readonly #path: string[];
  readonly #view: DataView;

  constructor(context: CheckContext, device: DeviceState, path: string[]) {
    this.#context = context;
    this.#device = device;
    this.#path = path;
    const { bytes } = device;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  struct({ fields, subsections }: VmstateStruct): void {
    for (const field of fields) {
      this.#path.push(field.name);
      this.#field(field);
      this.#path.pop();
    }
    for (const subsection of subsections) {
      this.#path.push(subsection.vmsdName);
      this.struct(subsection);
      this.#path.pop();
    }
  }

  #field(field: VmstateField): void {
    for (const element of field.elements ?? []) this.struct(element);
    switch (field.type) {
      case "bool":
        return this.#bytes(field, NO_BOOL, (byte) => byte <= 1);
      case "nullptr":
      case "ptr-marker":
        return this.#bytes(field, NO_MARKER, (byte) => byte === NULL_POINTER || byte === POINTER);
      case "unused_buffer":
        return this.#bytes(field, NOT_UNUSED, (byte) => byte === 0);
      case "int32 le":
        return this.#words(field, NEGATIVE, (word) => word < 0x80000000);
      case "pci irq state":
        return this.#words(field, NO_LEVEL, (word) => word <= 1);
    }
  }

  /** Reports the first byte of a field that is not right. */
  #bytes(field: VmstateField, fault: Fault, isRight: (byte: number) => boolean): void {
    const end = field.offset + field.lengthBytes;
    for (let at = field.offset; at < end; at++) {
      const byte = this.#view.getUint8(at);
      if (!isRight(byte)) return this.#report(fault, at, hex(byte, 2));
    }
  }

  /** Reports the first be32 of a field that is not right. */
  #words(field: VmstateField, fault: Fault, isRight: (word: number) => boolean): void {
    const end = field.offset + field.lengthBytes;
    for (let at = field.offset; at + 4 <= end; at += 4) {
      const word = this.#view.getUint32(at);
      if (!isRight(word)) return this.#report(fault, at, hex(word, 8));
    }
  }

  #report({ rule, message, expected }: Fault, at: number, found: string): void {
    const offset = this.#device.payloadOffset + at;
    this.#context.report(rule, { offset, path: [...this.#path], message, expected, found });
  }
}
