import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FormatError } from "../format/error.ts";
import {
  JSON_MAX_DEPTH,
  JsonNumber,
  JsonObject,
  type JsonValue,
  parseJson,
} from "../format/json.ts";
import { printPythonJson, quoteJsonAscii } from "../format/json_print.ts";

/** What `JSON.parse` would have made of it. */
function plain(value: JsonValue): unknown {
  if (value instanceof JsonNumber) return value.toNumber();
  if (value instanceof JsonObject) {
    return Object.fromEntries(value.members.map(([name, inner]) => [name, plain(inner)]));
  }
  return typeof value === "object" && value !== null ? value.map(plain) : value;
}

function failure(text: string, offset = 0): string {
  return assertThrows(() => parseJson(text, { offset }), FormatError).describe();
}

Deno.test("json: members keep their order and their repetitions, numbers their text", () => {
  const value = parseJson(' {"b": 1.50e3, "a":[ ] ,"b":18446744073709551615,"":{}}\r\n');
  assert(value instanceof JsonObject);
  assertEquals(value.members.map(([name]) => name), ["b", "a", "b", ""]);
  assertEquals(value.getAll("b"), [
    new JsonNumber("1.50e3"),
    new JsonNumber("18446744073709551615"),
  ]);
  assertEquals(value.get("b"), new JsonNumber("18446744073709551615"));
  assertEquals(value.get("a"), []);
  assertEquals(value.get("c"), undefined);
  assertEquals(value.getAll("c"), []);
  assertEquals(new JsonNumber("1.50e3").toNumber(), 1500);
});

Deno.test("json: accepts what Python accepts", () => {
  const accepted: [text: string, value: unknown][] = [
    ["NaN", NaN],
    ["Infinity ", Infinity],
    ["-Infinity", -Infinity],
    ["1e400", Infinity],
    ["\t\r\n -0", -0],
    ["1E+5", 1e5],
    ['"\\ud83d\\u0041"', "\ud83dA"],
    ['"\\uD83D\\ude00\ud83d\u007f\u2028"', "\u{1f600}\ud83d\u007f\u2028"],
    ['"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\/\b\f\n\r\t'],
    ['["", "\\u0000", true, false, null]', ["", "\0", true, false, null]],
    ['{"__proto__" :1}', Object.fromEntries([["__proto__", 1]])],
  ];
  for (const [text, value] of accepted) assertEquals(plain(parseJson(text)), value, text);
});

Deno.test("json: refuses what Python refuses", () => {
  const refused = [
    ...["", " ", "nul", "True", "-", "+1", ".5", "-NaN", "-Infinit", "\ufeff1", "\u00a01", "\v1"],
    ...["01", "-01", "1.", "1e", "1e+", "0x1", "1_0", "1\u0661", "1 2", "[]]", "null,"],
    ...["[1,]", "[,]", "[1 2]", "[", "[1", "[1,", "[}", '{"a":1,}', "{1:2}", "{a:1}", "{,}", "{]"],
    ...["{", '{"a"', '{"a":', '{"a":1', '{"a" 1}', '{"a":1 "b":2}', "'a'"],
    ...[
      '"',
      '"a',
      '"\\',
      '"\\"',
      '"\t"',
      '"a\u001f"',
      '"\\x41"',
      '"\\u12G4"',
      '"\\u+123"',
      '"\\u00"',
    ],
  ];
  for (const text of refused) {
    const error = assertThrows(() => parseJson(text), FormatError);
    assertEquals(error.code, "bad-json", text);
  }
});

Deno.test("json: errors say where, in bytes", () => {
  assertEquals(
    failure('{"a": [1, x2]}', 1000),
    "Cannot decode JSON: wrong character at offset 1010 (0x3f2); expected a value; " +
      'found "x2]}" [bad-json]',
  );
  assertEquals(
    failure('["\u00e4\u{1f600}", ', 1),
    "Cannot decode JSON: it ends too early at offset 12 (0xc); expected a value; found the end [bad-json]",
  );
  // A name that is not UTF-8 takes as many bytes as it had: see decodeText.
  assertEquals(assertThrows(() => parseJson('["\udcff"'), FormatError).offset, 4);
  assertEquals(assertThrows(() => parseJson('["a\nb"]'), FormatError).offset, 3);
  assertEquals(assertThrows(() => parseJson('["a\\qb"]'), FormatError).offset, 3);
});

Deno.test("json: depth is limited by an option, not by the stack", () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  parseJson(nested(JSON_MAX_DEPTH));
  const error = assertThrows(() => parseJson(nested(JSON_MAX_DEPTH + 1)), FormatError);
  assertEquals([error.code, error.offset], ["limit-exceeded", JSON_MAX_DEPTH]);
  assertThrows(() => parseJson('{"a":{}}', { maxDepth: 1 }), FormatError);
  const deep = parseJson(nested(200_000), { maxDepth: Infinity });
  assertEquals(printPythonJson(deep, null), nested(200_000));
});

Deno.test("json: every text that was cut off is refused", () => {
  const text = '{"a": [1, -2, "x\\u0041", {"b": null}], "c": "d"}';
  parseJson(text);
  for (let end = 0; end < text.length; end++) {
    assertThrows(() => parseJson(text.slice(0, end)), FormatError);
  }
});

Deno.test("json: numbers are printed as by Python", () => {
  // Left: read by json.loads; right: printed by json.dumps of Python 3.11.
  const vectors: [text: string, printed: string][] = [
    ["-0", "0"],
    ["-0.0", "-0.0"],
    ["0e5", "0.0"],
    ["-1e-999", "-0.0"],
    ["18446744073709551616", "18446744073709551616"],
    ["1e15", "1000000000000000.0"],
    ["9999999999999998.0", "9999999999999998.0"],
    ["1e16", "1e+16"],
    ["123456789012345680.0", "1.2345678901234568e+17"],
    ["1e22", "1e+22"],
    ["1e-4", "0.0001"],
    ["0.00012345", "0.00012345"],
    ["1e-5", "1e-05"],
    ["-1.5e-7", "-1.5e-07"],
    ["5e-324", "5e-324"],
    ["1.7976931348623157e308", "1.7976931348623157e+308"],
    ["1E400", "Infinity"],
    ["-1e999", "-Infinity"],
    ["NaN", "NaN"],
    ["1.50", "1.5"],
  ];
  for (const [text, printed] of vectors) assertEquals(printPythonJson(parseJson(text)), printed);
});

Deno.test("json: values are laid out as by Python", () => {
  const value = parseJson(
    '{"a": 1, "b": {}, "c": [], "a": [true, {"x": null}], "\\u00e9": "\\u007f"}',
  );
  assertEquals(
    printPythonJson(value),
    `{
    "a": [
        true,
        {
            "x": null
        }
    ],
    "b": {},
    "c": [],
    "\\u00e9": "\\u007f"
}`,
  );
  assertEquals(
    printPythonJson(value, null),
    '{"a": [true, {"x": null}], "b": {}, "c": [], "\\u00e9": "\\u007f"}',
  );
  assertEquals(printPythonJson(parseJson("[[1],2]"), 0), "[\n[\n1\n],\n2\n]");
});

Deno.test("json: strings are quoted as by Python", () => {
  assertEquals(quoteJsonAscii("~ 0000:00:02.0/vga"), '"~ 0000:00:02.0/vga"');
  assertEquals(
    quoteJsonAscii('"\\/\b\f\n\r\t\0\u001f\u007f\u00e9\u2028\u{1f600}\udcff'),
    '"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f\\u00e9\\u2028\\ud83d\\ude00\\udcff"',
  );
});

Deno.test("json: values without repeated members agree with JSON.parse", () => {
  fc.assert(fc.property(fc.json(), fc.nat(1000), (text, cut) => {
    assertEquals(plain(parseJson(text)), JSON.parse(text));
    const damaged = text.slice(0, cut) + text.slice(cut + 1);
    let expected: unknown;
    try {
      expected = JSON.parse(damaged);
    } catch {
      assertThrows(() => parseJson(damaged), FormatError);
      return;
    }
    assertEquals(plain(parseJson(damaged)), expected);
  }));
});

Deno.test("json: what is printed can be read again", () => {
  const scalars = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.string({ unit: "binary" }),
  );
  const values = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      scalars,
      fc.constantFrom(null, true, false),
      fc.array(tie("value")),
      fc.dictionary(fc.string(), tie("value")),
    ),
  })).value;
  fc.assert(fc.property(values, fc.constantFrom(null, 0, 1, 4), (value, indent) => {
    const text = JSON.stringify(value);
    const printed = printPythonJson(parseJson(text), indent);
    assertEquals(JSON.parse(printed), JSON.parse(text));
    assertEquals(printPythonJson(parseJson(printed), indent), printed);
  }));
});
