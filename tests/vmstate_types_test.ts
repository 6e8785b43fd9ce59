import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FormatError } from "../format/error.ts";
import {
  decodeBitmapWords,
  decodePrimitive,
  encodeBitmapWords,
  encodePrimitive,
  isKnownVmstateType,
  VMSTATE_TYPES,
  vmstateKind,
  type VmstatePrimitive,
} from "../format/vmstate_types.ts";

const bytesOf = (hex: string) => Uint8Array.fromHex(hex.replaceAll(" ", ""));

/** Types, their bytes and what they mean. Those with a target were seen in a stream of it. */
const VECTORS: [type: string, hex: string, primitive: VmstatePrimitive][] = [
  ["bool", "00", { kind: "bool", value: false }],
  ["bool", "01", { kind: "bool", value: true }],
  ["bool", "02", { kind: "bool", value: true, byte: 2 }],
  ["int8", "80", { kind: "signed", value: -128 }],
  ["int16", "ff fd", { kind: "signed", value: -3 }], // arm
  ["int32", "00 00 01 12", { kind: "signed", value: 0x112 }],
  ["int64", "ff ff ff ff ff ff ff fe", { kind: "signed", value: -2n }],
  ["uint8", "80", { kind: "unsigned", value: 128 }],
  ["uint16", "00 0c", { kind: "unsigned", value: 12 }],
  ["uint32", "ff ff ff ff", { kind: "unsigned", value: 0xffffffff }],
  ["uint64", "ff ff ff ff ff ff ff ff", { kind: "unsigned", value: 0xffff_ffff_ffff_ffffn }],
  ["int32 equal", "00 00 00 04", { kind: "signed", value: 4 }],
  ["int32 le", "00 00 00 02", { kind: "signed", value: 2 }],
  ["uint8 equal", "02", { kind: "unsigned", value: 2 }],
  ["uint16 equal", "00 08", { kind: "unsigned", value: 8 }],
  ["uint32 equal", "00 00 00 06", { kind: "unsigned", value: 6 }],
  ["int64 equal", "88 00 00 00 20 00 00 00", { kind: "unsigned", value: 0x8800000020000000n }],
  ["timer", "00 00 00 00 01 62 a5 f4", { kind: "timer", value: 0x162a5f4n }],
  ["timer", "ff ff ff ff ff ff ff ff", { kind: "timer", value: null }],
  ["float64", "bf f8 00 00 00 00 00 00", { kind: "float64", value: -1.5 }],
  ["CPU_Double_U", "80 00 00 00 00 00 00 00", { kind: "float64", value: -0 }], // sparc
  [
    "float64",
    "7f f0 00 00 00 00 00 01",
    { kind: "float64", value: NaN, bits: 0x7ff0_0000_0000_0001n },
  ],
  ["buffer", "", { kind: "bytes", value: bytesOf("") }],
  ["unused_buffer", "00 00", { kind: "bytes", value: bytesOf("00 00") }],
  ["bitmap", "80 00 00 00 00 00 03 01", { kind: "bitmap", value: bytesOf("0103000000000080") }],
  ["capability", "02 61 ff", { kind: "text", value: "a\udcff" }],
  ["capability", "03 61 62", { kind: "bytes", value: bytesOf("036162") }],
  ["nullptr", "30", { kind: "marker", value: "null" }],
  ["ptr-marker", "31", { kind: "marker", value: "present" }],
  ["ptr-marker", "32", { kind: "bytes", value: bytesOf("32") }],
  ["fd", "00", { kind: "unsigned", value: 0 }],
  ["fd", "00 00 00 07", { kind: "unsigned", value: 7 }],
  ["GByteArray", "00 00 00 01 aa", { kind: "counted", value: bytesOf("aa") }],
  ["GByteArray", "00 00 00 02 aa", { kind: "bytes", value: bytesOf("00000002aa") }],
  ["cpsr", "20 00 03 c5", { kind: "unsigned", value: 0x200003c5 }], // aarch64
  ["powered_off", "01", { kind: "bool", value: true }], // aarch64
  ["fpcr", "00 00 00 00 00 00 00 01", { kind: "unsigned", value: 1n }], // alpha
  ["fpr", "00 00 00 00 00 00 00 01", { kind: "unsigned", value: 1n }], // ppc64
  ["fpr", "00".repeat(16), { kind: "bytes", value: new Uint8Array(16) }], // mips
  ["avr", "00".repeat(15) + "01", { kind: "words", value: [0n, 1n] }], // ppc64
  ["slbe", "ff".repeat(8) + "00".repeat(8), { kind: "words", value: [(1n << 64n) - 1n, 0n] }],
  ["cpu/altivec/vscr", "00 01 00 00", { kind: "unsigned", value: 0x10000 }], // ppc
  ["psr", "04 00 1f e7", { kind: "unsigned", value: 0x04001fe7 }], // sparc
  ["fsr", "00 08 00 00", { kind: "unsigned", value: 0x80000 }], // sparc
  ["fsr", "00 00 00 00 00 08 00 00", { kind: "unsigned", value: 0x80000n }], // sparc64
  ["tlb_entry", "00".repeat(36), { kind: "bytes", value: new Uint8Array(36) }], // mips64el
  ["sreg", "80", { kind: "unsigned", value: 128 }], // avr
  ["no such type", "01 02", { kind: "bytes", value: bytesOf("0102") }],
  ["constructor", "01", { kind: "bytes", value: bytesOf("01") }],
];

Deno.test("vmstate types: known bytes decode to known values and back", () => {
  for (const [type, hex, primitive] of VECTORS) {
    const bytes = bytesOf(hex);
    assertEquals(decodePrimitive(type, bytes), primitive, type);
    assertEquals(encodePrimitive(type, bytes.length, primitive), bytes, type);
  }
});

Deno.test("vmstate types: the description's size decides", () => {
  for (const type of Object.keys(VMSTATE_TYPES)) {
    for (let size = 0; size <= 40; size++) {
      const bytes = new Uint8Array(size).fill(0x31);
      const primitive = decodePrimitive(type, bytes);
      if (primitive.kind !== "bytes") assertEquals(primitive.kind, vmstateKind(type, size));
      assertEquals(encodePrimitive(type, size, primitive), bytes);
      assertEquals(encodePrimitive(type, size, { kind: "bytes", value: bytes }), bytes);
    }
  }
});

Deno.test("vmstate types: a value that does not fit its field can't be encoded", () => {
  const failures: [type: string, size: number, primitive: VmstatePrimitive][] = [
    ["uint8", 1, { kind: "unsigned", value: 256 }],
    ["uint8", 1, { kind: "unsigned", value: -1 }],
    ["uint8", 1, { kind: "unsigned", value: 1.5 }],
    ["uint8", 1, { kind: "unsigned", value: NaN }],
    ["uint8", 1, { kind: "signed", value: 1 }],
    ["int8", 1, { kind: "signed", value: 128 }],
    ["int8", 1, { kind: "signed", value: -129 }],
    ["uint64", 8, { kind: "unsigned", value: 1n << 64n }],
    ["int64", 8, { kind: "signed", value: 1n << 63n }],
    ["uint32", 8, { kind: "unsigned", value: 1n }],
    ["uint32", 4, { kind: "bytes", value: new Uint8Array(3) }],
    ["buffer", 4, { kind: "bytes", value: new Uint8Array(5) }],
    ["buffer", 1, { kind: "unsigned", value: 1 }],
    ["timer", 8, { kind: "timer", value: -1n }],
    ["bool", 1, { kind: "bool", value: true, byte: 256 }],
    ["avr", 16, { kind: "words", value: [0n] }],
    ["bitmap", 8, { kind: "bitmap", value: new Uint8Array(9) }],
    ["capability", 3, { kind: "text", value: "abc" }],
    ["capability", 301, { kind: "text", value: "a".repeat(300) }],
    ["GByteArray", 4, { kind: "counted", value: new Uint8Array(1) }],
    ["no such type", 1, { kind: "bool", value: true }],
  ];
  for (const [type, size, primitive] of failures) {
    const error = assertThrows(() => encodePrimitive(type, size, primitive), FormatError);
    assertEquals(error.code, "not-encodable", type);
  }
  assertEquals(
    assertThrows(
      () => encodePrimitive("int8", 1, { kind: "signed", value: 200 }),
      FormatError,
    ).describe(),
    'Cannot encode field of type "int8": the number does not fit at offset 0 (0x0); ' +
      "expected -128..127; found 200 [not-encodable]",
  );
});

Deno.test("vmstate types: bitmap words", () => {
  // Items 0, 9 and 64.
  const words = bytesOf("00 00 00 00 00 00 02 01  00 00 00 00 00 00 00 01");
  assertEquals(decodeBitmapWords(words), bytesOf("0102000000000000 0100000000000000"));
  assertEquals(decodeBitmapWords(words, 65), bytesOf("0102000000000000 01"));
  assertEquals(decodeBitmapWords(words, 9), bytesOf("0100"));
  assertEquals(decodeBitmapWords(words, 0), bytesOf(""));
  assertEquals(encodeBitmapWords(bytesOf("0102000000000000 01")), words);
  assertThrows(() => decodeBitmapWords(words, 129), FormatError);
  assertThrows(() => decodeBitmapWords(words.subarray(1)), FormatError);
});

Deno.test("vmstate types: names are looked up exactly", () => {
  assertEquals(isKnownVmstateType("uint32 equal"), true);
  for (const name of ["", "uint128", "UINT8", "struct", "toString", "__proto__"]) {
    assertEquals(isKnownVmstateType(name), false);
  }
});

Deno.test("vmstate types: any bytes of any type survive decoding and encoding", () => {
  const types = fc.oneof(fc.constantFrom(...Object.keys(VMSTATE_TYPES)), fc.string());
  const sizes = fc.constantFrom(0, 1, 2, 3, 4, 8, 16, 24, 40);
  const bytes = fc.oneof(
    sizes.chain((size) => fc.uint8Array({ minLength: size, maxLength: size })),
    fc.uint8Array({ maxLength: 300 }).map((content) => Uint8Array.of(content.length, ...content)),
  );
  fc.assert(fc.property(types, bytes, (type, bytes) => {
    assertEquals(encodePrimitive(type, bytes.length, decodePrimitive(type, bytes)), bytes);
  }));
});
