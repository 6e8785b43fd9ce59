/**
 * Random descriptions of device state, with values that fit them.
 *
 * @module
 */

import fc from "fast-check";
import type { FieldDescription, VmsdDescription } from "../format/vmdescription.ts";
import { encodeVmstate } from "../format/vmstate_encode.ts";
import { vmstateKind } from "../format/vmstate_types.ts";
import type { VmstateItem, VmstateValue } from "../format/vmstate_value.ts";
import { ByteWriter } from "../format/writer.ts";

/** Encodes a value by its description. */
export function encode(vmsd: VmsdDescription, value: VmstateValue): Uint8Array {
  const writer = new ByteWriter();
  encodeVmstate(writer, vmsd, value);
  return writer.finish();
}

/** A description together with a value of it. */
export interface MadeState {
  /** The description. */
  readonly vmsd: VmsdDescription;
  /** The value. */
  readonly value: VmstateValue;
}

const PRIMITIVES: readonly (readonly [string, number])[] = [
  ["bool", 1],
  ["int8", 1],
  ["int32", 4],
  ["int64", 8],
  ["uint8", 1],
  ["uint16", 2],
  ["uint64", 8],
  ["timer", 8],
  ["float64", 8],
  ["avr", 16],
  ["nullptr", 1],
  ["capability", 4],
  ["GByteArray", 6],
  ["bitmap", 16],
  ["buffer", 0],
  ["buffer", 5],
  ["virtio", 3],
];

function itemOf(type: string, sizeBytes: number): fc.Arbitrary<VmstateItem> {
  const bits = 8 * sizeBytes;
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const kind = vmstateKind(type, sizeBytes);
  switch (kind) {
    case "unsigned":
    case "signed": {
      const low = kind === "signed" ? -(2n ** BigInt(bits - 1)) : 0n;
      const whole = fc.bigInt(low, low + 2n ** BigInt(bits) - 1n);
      return sizeBytes === 8 ? whole : whole.map(Number);
    }
    case "bool":
      return fc.oneof(fc.boolean(), fc.integer({ min: 2, max: 255 }));
    case "timer":
      return fc.oneof(fc.constant(null), fc.bigInt(0n, 2n ** 64n - 2n));
    case "float64":
      return fc.double();
    case "words":
      return fc.array(fc.bigInt(0n, 2n ** 64n - 1n), {
        minLength: sizeBytes / 8,
        maxLength: sizeBytes / 8,
      });
    case "marker":
      return fc.constantFrom(null, "present");
    case "text":
      return bytes(sizeBytes - 1).map((some) => String.fromCharCode(...some.map((b) => b & 0x7f)));
    case "counted":
      return bytes(sizeBytes - 4);
    default:
      return bytes(sizeBytes);
  }
}

type MadeField = readonly [Omit<FieldDescription, "name">, VmstateItem];

const primitiveField: fc.Arbitrary<MadeField> = fc.constantFrom(...PRIMITIVES).chain(
  ([type, sizeBytes]) =>
    fc.oneof(
      itemOf(type, sizeBytes).map((item): MadeField => [{ type, sizeBytes, inline: [] }, item]),
      fc.array(itemOf(type, sizeBytes), { maxLength: 4 }).map((items): MadeField => [
        { type, sizeBytes, inline: [], arrayLength: items.length },
        items,
      ]),
    ),
);

const sizeOf = ({ vmsd, value }: MadeState) => encode(vmsd, value).length;
const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);

function insideField(made: fc.Arbitrary<MadeState>): fc.Arbitrary<MadeField> {
  const list = fc.array(made, { maxLength: 3 });
  return fc.oneof(
    made.map((one): MadeField => [
      { type: "struct", sizeBytes: sizeOf(one), inline: [], struct: one.vmsd },
      one.value,
    ]),
    fc.tuple(made, fc.constantFrom("tmp", "vstruct")).map(([one, type]): MadeField => [
      { type, sizeBytes: sizeOf(one), inline: [one.vmsd], arrayLength: 2 },
      [one.value, one.value],
    ]),
    fc.tuple(list, fc.constantFrom("qtailq", "qlist")).map(([all, type]): MadeField => [
      {
        type,
        sizeBytes: 1 + all.length + sum(all.map(sizeOf)),
        inline: all.map((one) => one.vmsd),
      },
      all.map((one) => one.value),
    ]),
    fc.array(fc.tuple(fc.bigInt(0n, 2n ** 64n - 1n), made), { maxLength: 3 }).map(
      (nodes): MadeField => [
        {
          type: "gtree",
          sizeBytes: 5 + 9 * nodes.length + sum(nodes.map(([, one]) => sizeOf(one))),
          inline: nodes.map(([, one]) => one.vmsd),
        },
        nodes.map(([key, { value }]) => ({ key, value })),
      ],
    ),
    fc.array(fc.tuple(made, made), { maxLength: 3 }).map((nodes): MadeField => [
      {
        type: "gtree",
        sizeBytes: 5 + nodes.length + sum(nodes.flat().map(sizeOf)),
        inline: nodes.flat().map((one) => one.vmsd),
      },
      nodes.map(([key, one]) => ({ key: key.value, value: one.value })),
    ]),
  );
}

/** Structures inside of each other up to a depth. */
export function structure(depth: number): fc.Arbitrary<MadeState> {
  const some: fc.Arbitrary<MadeField> = depth === 0
    ? primitiveField
    : fc.oneof({ weight: 3, arbitrary: primitiveField }, insideField(structure(depth - 1)));
  const subsections = depth === 0
    ? fc.constant([])
    : fc.array(structure(depth - 1), { maxLength: 2 });
  const name = fc.constantFrom("a", "a.b", "env.regs", "config[0]", "__proto__", "größe");
  const named = fc.uniqueArray(fc.tuple(name, some), { selector: ([name]) => name, maxLength: 5 });
  const version = fc.nat(3);
  return fc.tuple(named, subsections, version).map(([fields, inside, version]) => {
    const named = inside.map((one, index) => ({ ...one.vmsd, vmsdName: `dev/${index}` }));
    const entries: [string, VmstateItem][] = fields.map(([name, [, item]]) => [name, item]);
    if (inside.length > 0) {
      const values = inside.map(({ value }, index) => [`dev/${index}`, value]);
      entries.push(["subsections", Object.fromEntries(values)]);
    }
    return {
      vmsd: {
        vmsdName: "dev",
        version,
        fields: fields.map(([name, [description]]) => ({ name, ...description })),
        subsections: named,
      },
      value: Object.fromEntries(entries),
    };
  });
}
