/**
 * Damage to bytes without a look at what they mean.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import type { Random } from "../tests/reading.ts";

/** A change of bytes: the result, and what was done. */
export interface Mutant {
  /** What was done, one name of a small set: runs count by it. */
  readonly kind: string;
  /** The changed bytes. */
  readonly bytes: Uint8Array;
}

/** Values at which sizes, counts, addresses and flags change their meaning. */
export const EXTREMES: readonly bigint[] = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0xffn,
  0x1000n,
  0xffffn,
  0x10000n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  0x1fffffffffffffn,
  0x20000000000000n,
  0x7fffffffffffffffn,
  0x8000000000000000n,
  0xfffffffffffff000n,
  0xffffffffffffffffn,
];

/** A number near another one, or far away from everything. */
export function otherNumber(value: bigint, sizeBytes: number, random: Random): bigint {
  const bits = BigInt(8 * sizeBytes);
  const changed = (() => {
    switch (random.below(6)) {
      case 0:
        return value + BigInt(random.below(17) - 8);
      case 1:
        return value ^ (1n << BigInt(random.below(8 * sizeBytes)));
      case 2:
        return value * 2n;
      case 3:
        return value + BigInt(random.of([-4096, 4096, -512, 512, 32, -32]));
      case 4:
        return BigInt(random.below(256));
      default:
        return random.of(EXTREMES) + BigInt(random.below(3) - 1);
    }
  })();
  return BigInt.asUintN(Number(bits), changed);
}

/** Reads a big-endian number. */
export function getNumber(bytes: Uint8Array, at: number, sizeBytes: number): bigint {
  let value = 0n;
  for (let index = 0; index < sizeBytes; index++) value = value << 8n | BigInt(bytes[at + index]!);
  return value;
}

/** Writes a big-endian number. */
export function putNumber(bytes: Uint8Array, at: number, sizeBytes: number, value: bigint): void {
  for (let index = sizeBytes - 1; index >= 0; index--, value >>= 8n) {
    bytes[at + index] = Number(value & 0xffn);
  }
}

/** Bytes with some taken out and others put in. */
export function spliced(
  bytes: Uint8Array,
  at: number,
  remove: number,
  insert: Uint8Array = new Uint8Array(),
): Uint8Array {
  return concat([
    bytes.subarray(0, at),
    insert,
    bytes.subarray(Math.min(bytes.length, at + remove)),
  ]);
}

type Damage = (bytes: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

/** Mostly short; sometimes as long as pages and sections are. */
function someLength(random: Random): number {
  return 1 + random.below(random.of([2, 8, 64, 512, 4096, 20_000]));
}

const DAMAGES: Readonly<Record<string, Damage>> = {
  "bit flip": (bytes, random) => {
    const changed = bytes.slice();
    changed[random.below(bytes.length)]! ^= 1 << random.below(8);
    return changed;
  },
  "byte": (bytes, random) => {
    const changed = bytes.slice();
    changed[random.below(bytes.length)] = random.of([
      0,
      1,
      0x20,
      0x7f,
      0x80,
      0xff,
      random.below(256),
    ]);
    return changed;
  },
  "number": (bytes, random) => {
    const changed = bytes.slice();
    const size = random.of([2, 4, 8]);
    const at = random.below(Math.max(1, bytes.length - size));
    if (at + size <= bytes.length) {
      putNumber(changed, at, size, otherNumber(getNumber(bytes, at, size), size, random));
    }
    return changed;
  },
  "delete": (bytes, random) => spliced(bytes, random.below(bytes.length), someLength(random)),
  "insert": (bytes, random) =>
    spliced(bytes, random.below(bytes.length + 1), 0, random.bytes(1 + random.below(40))),
  "copy": (bytes, random) => {
    const from = random.below(bytes.length);
    const part = bytes.slice(from, from + someLength(random));
    const at = random.below(bytes.length);
    return spliced(bytes, at, random.below(2) === 0 ? 0 : part.length, part);
  },
  "truncate": (bytes, random) => bytes.slice(0, random.below(bytes.length)),
  "splice": (bytes, random, other) => {
    const at = random.below(bytes.length);
    const from = random.below(2) === 0 ? at : random.below(other.length);
    return concat([bytes.subarray(0, at), other.subarray(Math.min(from, other.length))]);
  },
  "fill": (bytes, random) => {
    const at = random.below(bytes.length);
    return bytes.slice().fill(random.of([0, 0xff]), at, at + someLength(random));
  },
};

const NAMES = Object.keys(DAMAGES);

/** One to three changes; `other` is what a splice goes on with. The kind is that of the first. */
export function mutateBytes(bytes: Uint8Array, random: Random, other: Uint8Array): Mutant {
  if (bytes.length === 0) return { kind: "insert", bytes: random.bytes(1 + random.below(16)) };
  const kind = random.of(NAMES);
  let changed = DAMAGES[kind]!(bytes, random, other);
  for (let more = random.below(3); more > 0 && changed.length > 0; more--) {
    changed = DAMAGES[random.of(NAMES)]!(changed, random, other);
  }
  return { kind, bytes: changed };
}
