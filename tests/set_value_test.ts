/** Values that fields of device state are set to, of each type, and what is refused. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { EditError } from "../analyze/edit/edit_error.ts";
import { DeviceFields } from "../analyze/fields.ts";
import { annotated } from "./annotated.ts";
import { assertRefused, made, madeField, sectionsOf, setOne } from "./setting_fields.ts";

/** Type, bytes before, value, bytes after. */
const VALUES: readonly (readonly [string, string, string, string])[] = [
  ["uint8", "00", "255", "ff"],
  ["int8", "00", "-128", "80"],
  ["int16", "00 00", "-0x8000", "80 00"],
  ["uint32", "00*4", "0B11", "00*3 03"],
  ["uint64", "00*8", "18446744073709551615", "ff*8"],
  ["bool", "05", "false", "00"],
  ["timer", "00*8", "null", "ff*8"],
  ["timer", "00*8", "off", "ff*8"],
  ["timer", "ff*8", "1000", "00*6 03 e8"],
  ["float64", "00*8", "-1.5", "bf f8 00*6"],
  ["float64", "00*8", "1e3", "40 8f 40 00*5"],
  ["float64", "00*8", "-inf", "ff f0 00*6"],
  ["float64", "00*8", "nan", "7f f8 00*6"],
  ["avr", "00*16", "[1, 0xff]", "00*7 01 00*7 ff"],
  ["capability", '03 "abc"', "xyz", '03 "xyz"'],
  ["capability", '03 "abc"', '"x z"', '03 "x z"'],
  ["GByteArray", "00*3 02 00 00", "0xa1b2", "00*3 02 a1 b2"],
  ["bitmap", "00*8", "0100000000000080", "80 00*6 01"],
  ["buffer", "00 00", "07 01", "07 01"],
  ["buffer", "00 00", "0701", "07 01"],
  ["buffer", "00*4", '"ab"', '"ab" 00 00'],
  ["buffer", '"on" 00 00', "off", '"off" 00'],
  ["buffer", "00*4", "61 62 63 64", '"abcd"'],
  ["unknown kind", "00 00", "a0b1", "a0 b1"],
];

Deno.test("set: values of every kind", () => {
  for (const [type, before, text, after] of VALUES) {
    const bytes = annotated(before);
    const { payload } = setOne(madeField(before, type, bytes.length), { path: "dev/0/f", text });
    assertEquals(payload, annotated(after), `${type} ${text}`);
  }
});

/** Type, bytes before, value, why not. */
const REFUSED: readonly (readonly [string, string, string, RegExp])[] = [
  ["uint8", "00", "256", /type uint8 takes 0\.\.255$/],
  ["uint8", "00", "-1", /type uint8 takes 0\.\.255$/],
  ["int8", "00", "128", /type int8 takes -128\.\.127$/],
  ["uint32", "00*4", "1.5", /type uint32 takes numbers, 0\.\.4294967295$/],
  ["uint32", "00*4", "", /"" does not fit/],
  ["uint32", "00*4", "ten", /"ten" does not fit: type uint32/],
  ["bool", "00", "1", /type bool takes true or false$/],
  ["timer", "00*8", "never", /type timer takes ns, 0\.\.18446744073709551615, or null$/],
  ["timer", "00*8", "-1", /type timer takes 0\.\.18446744073709551615$/],
  ["float64", "00*8", "1,5", /type float64 takes numbers, inf, -inf and nan$/],
  ["avr", "00*16", "[1]", /takes a list of 2 numbers, each 0\.\.18446744073709551615$/],
  ["avr", "00*16", "[1, x, 2]", /takes a list of 2 numbers/],
  ["avr", "00*16", "[1, 18446744073709551616]", /takes 0\.\.18446744073709551615$/],
  ["capability", '03 "abc"', "abcd", /as long as the one that stands there, 3 byte\(s\), not 4$/],
  ["GByteArray", "00*3 02 00 00", "a1", /takes 2 byte\(s\) as hex digits, not 1$/],
  ["bitmap", "00*8", "01", /takes 8 byte\(s\) as hex digits, not 1$/],
  ["buffer", "00 00", "070", /takes 2 byte\(s\) as hex digits, or a text in double quotes$/],
  ["buffer", "00 00", "070809", /hex digits, not 3, or a text/],
  ["buffer", "00 00", "on", /or a text in double quotes$/],
  ["buffer", "00 00", '"abc"', /takes a text of at most 2 byte\(s\) here, not 3$/],
  ["nullptr", "30", "null", /marker of a pointer/],
];

Deno.test("set: values that do not fit are refused with what would", () => {
  for (const [type, before, text, message] of REFUSED) {
    const sections = madeField(before, type, annotated(before).length);
    assertRefused(sections, { path: "dev/0/f", text }, message);
    assertRefused(sections, { path: "dev/0/f", text }, /^Cannot set dev\/0\/f: /);
  }
  const long = "x".repeat(10000);
  const error = assertThrows(
    () => setOne(madeField("00", "bool", 1), `dev/0/f=${long}`),
    EditError,
  );
  assert(error.message.length < 200 && error.path === "dev/0/f");
});

Deno.test("set: whole arrays take lists", () => {
  const words = madeField("00*32", "avr", 16, `"array_len": 2,`);
  const set = setOne(words, "dev/0/f=[[1,2],[3,4]]");
  assertEquals(set.payload, annotated("00*7 01 00*7 02 00*7 03 00*7 04"));
  const texts = madeField("00*4", "buffer", 2, `"array_len": 2,`);
  assertEquals(setOne(texts, 'dev/0/f=["a,", 0x6263]').payload, annotated('"a,bc"'));
  const numbers = madeField("00*3", "uint8", 1, `"array_len": 3,`);
  assertEquals(setOne(numbers, "dev/0/f=[1,2,3]").payload, Uint8Array.of(1, 2, 3));
  assertRefused(numbers, "dev/0/f=[1,2]", /an array of 3 element\(s\), and a list of 2$/);
  assertRefused(numbers, "dev/0/f=[]", /a list of 0$/);
  assertRefused(numbers, "dev/0/f=1", /takes a list of 3/);
  assertRefused(numbers, "dev/0/f=[1,2,256]", /element \[2\]: .* takes 0\.\.255$/);
  assertRefused(numbers, "dev/0/f[3]=1", /has the elements 0\.\.2$/);
  assertRefused(numbers, "dev/0/f[x]=1", /an index is a number in brackets/);
  assertRefused(numbers, "dev/0/f[1=1", /an index is a number in brackets/);
  assertRefused(numbers, "dev/0/f[1].x=1", /a value of type uint8, nothing inside$/);
});

Deno.test("set: the bytes of a file", () => {
  const path = "dev/0/f";
  const buffer = madeField("00*4", "buffer", 4);
  const bytes = Uint8Array.of(1, 2, 3, 4);
  const { payload } = setOne(buffer, { path, bytes });
  assertEquals(payload, bytes);
  bytes[0] = 9;
  assertEquals(payload[0], 1, "the bytes are copied");
  assertRefused(buffer, { path, bytes: bytes.subarray(1) }, /has 4 byte\(s\), the file 3$/);
  const array = madeField("00*4", "uint16", 2, `"array_len": 2,`);
  assertEquals(setOne(array, { path, bytes }).payload, bytes);
  const text = madeField('03 "abc"', "capability", 4);
  assertEquals(setOne(text, { path, bytes: annotated('03 "xyz"') }).payload, annotated('03 "xyz"'));
  assertRefused(text, { path, bytes: annotated('02 "xyz"') }, /begin with the length/);
  const marker = madeField("30", "nullptr", 1);
  assertRefused(marker, { path, bytes: annotated("31") }, /marker of a pointer/);
  const config = "0000:00:00.0/I440FX/0/parent_obj.config[0]";
  const space = Uint8Array.from({ length: 256 }, (_, at) => at ^ 0x5a);
  const { section, payload: whole } = setOne(sectionsOf("pc"), { path: config, bytes: space });
  const fields = new DeviceFields({ bytes: whole, state: section.device!.state });
  assertEquals(fields.structs("parent_obj")[0]?.bytes("config[0]"), space);
});

const STRUCT = `"type": "struct", "size": 2, "struct": {"vmsd_name": "s", "version": 1, ` +
  `"fields": [{"name": "v", "type": "uint16", "size": 2}]}`;
const ELEMENT =
  `"vmsd_name": "e", "version": 1, "fields": [{"name": "v", "type": "uint8", "size": 1}]`;

Deno.test("set: elements of containers", () => {
  const list = made(
    "01 07 01 08 00",
    `"fields": [{"name": "q", "type": "qtailq", ${ELEMENT}, ${ELEMENT}, "size": 5}]`,
  );
  assertEquals(setOne(list, "dev/0/q[1].v=9").payload, annotated("01 07 01 09 00"));
  assertRefused(list, "dev/0/q.v=9", /it has 2 elements: say which/);
  assertRefused(list, "dev/0/q[2].v=9", /has the elements 0\.\.1$/);
  const one = made(
    "01 07 00",
    `"fields": [{"name": "q", "type": "qlist", ${ELEMENT}, "size": 3}]`,
  );
  for (const path of ["dev/0/q.v", "dev/0/q[0].v"]) {
    assertEquals(setOne(one, `${path}=9`).payload, annotated("01 09 00"));
  }
  const none = made("00", `"fields": [{"name": "q", "type": "qlist", "size": 1}]`);
  for (const path of ["dev/0/q", "dev/0/q.v", "dev/0/q[0].v"]) {
    assertRefused(none, `${path}=9`, /it has no elements$/);
  }
  const tree = made(
    "00*3 01 01 00*7 05 0a 00",
    `"fields": [{"name": "t", "type": "gtree", ${ELEMENT}, "size": 15}]`,
  );
  assertEquals(setOne(tree, "dev/0/t[0].v=9").payload, annotated("00*3 01 01 00*7 05 09 00"));
});

Deno.test("set: null pointers", () => {
  const array = made(
    "00 01 30 00 02",
    `"fields": [{"name": "p", "index": 0, ${STRUCT}}, ` +
      `{"name": "p", "index": 1, "type": "nullptr", "size": 1}, ` +
      `{"name": "p", "index": 2, ${STRUCT}}]`,
  );
  assertEquals(setOne(array, "dev/0/p[2].v=0x3031").payload, annotated("00 01 30 30 31"));
  assertRefused(array, "dev/0/p[1]=null", /marker of a pointer/);
  const untold = made("00 01 30 00 02", `"fields": [{"name": "p", "array_len": 3, ${STRUCT}}]`);
  assertEquals(untold[0]!.device?.reading, "nulls");
  assertEquals(setOne(untold, "dev/0/p[2].v=0x31").payload, annotated("00 01 30 00 31"));
  assertRefused(untold, "dev/0/p[1].v=1", /it is a null pointer$/);
  assertRefused(untold, "dev/0/p[2].v=0x3031", /taken for a null pointer/);
});
