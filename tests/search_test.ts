/**
 * Searching a guest's memory: against a search without any cleverness over the whole memory.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { GuestMemory } from "../analyze/memory/guest_memory.ts";
import type { PageRun } from "../analyze/memory/memory_view.ts";
import { PAGE_KIND, type PageKind } from "../analyze/memory/page_table.ts";
import { hexMatcher, textMatcher } from "../analyze/search/literal.ts";
import { type Matcher, MAX_MATCH_BYTES } from "../analyze/search/matcher.ts";
import type { SearchableMemory } from "../analyze/search/ranges.ts";
import { regexMatcher } from "../analyze/search/regex.ts";
import { searchMemory } from "../analyze/search/search.ts";
import { readState } from "../analyze/state.ts";
import { inflate } from "../container/inflate.ts";
import type { RamBlock } from "../format/ram.ts";
import { BytesSource } from "../format/source.ts";
import { loadCase, loadStream } from "./testdata.ts";

/** A page of a made-up memory. */
interface Page {
  readonly kind: PageKind;
  readonly bytes: Uint8Array;
}

function blockOf(name: string, usedLengthBytes: number): RamBlock {
  return { name, index: 0, usedLengthBytes, entryOffset: 0, entryBytes: 0 };
}

/** A memory of one block, that counts the bytes read from it. */
class TestMemory implements SearchableMemory {
  readonly pageBytes: number;
  readonly blocks: readonly RamBlock[];
  readonly flat: Uint8Array;
  readonly #pages: readonly Page[];
  bytesRead = 0;

  constructor(pageBytes: number, pages: readonly Page[]) {
    this.pageBytes = pageBytes;
    this.#pages = pages;
    this.flat = new Uint8Array(pageBytes * pages.length);
    for (const [index, { bytes }] of pages.entries()) this.flat.set(bytes, index * pageBytes);
    this.blocks = [blockOf("m", this.flat.length)];
  }

  *runs(): Generator<PageRun> {
    for (const [first, { kind }] of this.#pages.entries()) yield { first, count: 1, kind };
  }

  fillAt(_block: RamBlock, page: number): number {
    return this.flat[page * this.pageBytes]!;
  }

  read(_block: RamBlock, address: number, into: Uint8Array): void {
    if (address < 0 || address + into.length > this.flat.length) throw new RangeError("outside");
    into.set(this.flat.subarray(address, address + into.length));
    this.bytesRead += into.length;
  }
}

/** Content that makes matches likely: few different bytes, many zeros. */
const anyPages = (pageBytes: number) =>
  fc.array(
    fc.oneof(
      {
        weight: 2,
        arbitrary: fc.constant<Page>({ kind: PAGE_KIND.ZERO, bytes: zeros(pageBytes) }),
      },
      fc.constant<Page>({ kind: PAGE_KIND.ABSENT, bytes: zeros(pageBytes) }),
      fc.constant<Page>({ kind: PAGE_KIND.ZERO, bytes: zeros(pageBytes).fill(0x61) }),
      {
        weight: 3,
        arbitrary: fc.array(fc.constantFrom(0, 0, 0x61, 0x62, 0x41, 0xff), {
          minLength: pageBytes,
          maxLength: pageBytes,
        }).map((bytes): Page => ({ kind: PAGE_KIND.NORMAL, bytes: Uint8Array.from(bytes) })),
      },
    ),
    { minLength: 1, maxLength: 12 },
  );

function zeros(length: number): Uint8Array {
  return new Uint8Array(length);
}

function hits(memory: SearchableMemory, matcher: Matcher, chunkBytes: number): [number, string][] {
  return [...searchMemory(memory, [matcher], { chunkBytes })]
    .map(({ blockAddress, match }) => [blockAddress, match.toHex()]);
}

Deno.test("search: bytes with gaps are found wherever they stand, once each", () => {
  const anyDigits = fc.array(
    fc.constantFrom("00", "00", "61", "62", "41", "ff", "??", "6?", "?1", "?0"),
    { minLength: 1, maxLength: 7 },
  ).filter((bytes) => bytes.some((byte) => byte !== "??"));
  fc.assert(
    fc.property(
      anyPages(16),
      anyDigits,
      fc.integer({ min: 1, max: 200 }),
      (pages, digits, chunk) => {
        const memory = new TestMemory(16, pages);
        const expected: [number, string][] = [];
        for (let at = 0; at + digits.length <= memory.flat.length; at++) {
          const there = memory.flat.slice(at, at + digits.length).toHex();
          const pattern = new RegExp(`^${digits.join("").replaceAll("?", ".")}$`);
          if (pattern.test(there)) expected.push([at, there]);
        }
        assertEquals(hits(memory, hexMatcher(digits.join(" ")), chunk), expected);
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("search: text in any case is found wherever it stands, once each", () => {
  const anyText = fc.array(fc.constantFrom("a", "b", "A", "\0"), { minLength: 1, maxLength: 5 })
    .map((characters) => characters.join(""));
  fc.assert(
    fc.property(
      anyPages(16),
      anyText,
      fc.boolean(),
      fc.integer({ min: 1, max: 200 }),
      (pages, text, ignoreCase, chunk) => {
        const memory = new TestMemory(16, pages);
        const fold = (each: string) => ignoreCase ? each.toLowerCase() : each;
        const flat = fold(asLatin1(memory.flat));
        const expected: number[] = [];
        for (let at = flat.indexOf(fold(text)); at >= 0; at = flat.indexOf(fold(text), at + 1)) {
          expected.push(at);
        }
        const found = hits(memory, textMatcher(text, { ignoreCase }), chunk);
        assertEquals(found.map(([at]) => at), expected);
      },
    ),
    { numRuns: 500 },
  );
});

function asLatin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

Deno.test("search: a regular expression finds in chunks what it finds in one text", () => {
  const anyRegex = fc.constantFrom(
    "a+",
    "a+b",
    "a\\0+b",
    "\\0+[ab]",
    "(?<=a\\0{3})\\0",
    "\\0(?=\\0{5}A)",
    "[^\\0]{5,40}",
    "a[^]{1,30}?b",
    "^\\0+a",
    "\\0+$",
    "\\bA|b\\B",
    "\\xff|ab|abb",
    "(a|b)\\1",
    "a*?A",
  );
  fc.assert(
    fc.property(
      anyPages(64),
      anyRegex,
      fc.integer({ min: 1, max: 999 }),
      (pages, source, chunk) => {
        const memory = new TestMemory(64, pages);
        const expected = [...asLatin1(memory.flat).matchAll(new RegExp(source, "gm"))]
          .filter(([match]) => match !== "")
          .map((match) => [match.index, toHex(match[0])]);
        assertEquals(hits(memory, regexMatcher(source), chunk), expected as [number, string][]);
      },
    ),
    { numRuns: 500 },
  );
});

function toHex(text: string): string {
  return Uint8Array.from(text, (each) => each.charCodeAt(0)).toHex();
}

Deno.test("search: where chunks end decides nothing, neither what is found nor what is shown", () => {
  const anyRegex = fc.constantFrom(
    "[abA]+",
    "a[^]{3000}",
    "[^\\0]\\0{1,3000}b",
    "A(?<=[ab]\\0{0,3000}A)",
    "[ab][^]{3000}(?=[^]{4000}[^\\0]?)",
    "\\bA|b$",
  );
  // Few bytes at any places in pages of zeros.
  const anyPage = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 4095 }), fc.constantFrom(0x61, 0x62, 0x41, 0x0a)),
    { maxLength: 6 },
  ).map((places): Page => {
    const bytes = zeros(4096);
    for (const [at, byte] of places) bytes[at] = byte;
    return { kind: places.length > 0 ? PAGE_KIND.NORMAL : PAGE_KIND.ABSENT, bytes };
  });
  fc.assert(
    fc.property(
      fc.array(anyPage, { minLength: 1, maxLength: 8 }),
      anyRegex,
      fc.integer({ min: 500, max: 9000 }),
      (pages, source, chunkBytes) => {
        const memory = new TestMemory(4096, pages);
        const flat = asLatin1(memory.flat);
        const expected = [...flat.matchAll(new RegExp(source, "gm"))].map(({ 0: match, index }) => {
          const text = flat.slice(Math.max(0, index - 16), index + 48).replace(/[^ -~]/g, ".");
          return { at: index, length: match.length, text };
        });
        const found = [...searchMemory(memory, [regexMatcher(source)], { chunkBytes })]
          .map(({ blockAddress, match, text }) => ({
            at: blockAddress,
            length: match.length,
            text,
          }));
        assertEquals(found, expected);
      },
    ),
    { numRuns: 150 },
  );
});

/** Mostly zeros, with content at some places of 16 MiB. */
function sparseMemory(places: Readonly<Record<number, string>>): TestMemory {
  const pageBytes = 4096;
  const contents = new Map<number, Uint8Array>();
  for (const [address, text] of Object.entries(places)) {
    for (const [index, byte] of new TextEncoder().encode(text).entries()) {
      const at = Number(address) + index;
      const page = contents.getOrInsert(Math.floor(at / pageBytes), zeros(pageBytes));
      page[at % pageBytes] = byte;
    }
  }
  return new TestMemory(
    pageBytes,
    Array.from({ length: 4096 }, (_, page) => {
      const bytes = contents.get(page);
      return bytes === undefined
        ? { kind: PAGE_KIND.ZERO, bytes: zeros(pageBytes) }
        : { kind: PAGE_KIND.NORMAL, bytes };
    }),
  );
}

Deno.test("search: long stretches of zeros are not read, whatever borders on them", () => {
  const middle = 8 << 20;
  const memory = sparseMemory({
    [middle]: "begin",
    [middle + 8189]: "across",
    [(16 << 20) - 3]: "end",
  });
  const find = (matcher: Matcher) => {
    memory.bytesRead = 0;
    const found = hits(memory, matcher, 256 * 1024).map(([at]) => at);
    assert(memory.bytesRead < 1 << 20, String(memory.bytesRead));
    return found;
  };
  assertEquals(find(textMatcher("begin")), [middle]);
  assertEquals(find(textMatcher("across")), [middle + 8189]);
  assertEquals(find(textMatcher("end")), [(16 << 20) - 3]);
  assertEquals(find(textMatcher("end\0")), []);
  assertEquals(find(hexMatcher("00 00 00 00 00 00 00 00 62")), [middle - 8]);
  assertEquals(find(hexMatcher("6e 00 00 00 00 ?? ?? 00 00")), [middle + 4]);
  assertEquals(find(regexMatcher("\\0{900}beg")), [middle - 900]);
  assertEquals(find(regexMatcher("\\0{4000}(?=\\0{4000}beg)")), [middle - 8000]);
  assertEquals(find(regexMatcher("^\\0")), [0]);
  assertEquals(find(regexMatcher("[a-z]$")), [(16 << 20) - 1]);
  assertEquals(find(regexMatcher("(?<=begin\\0{900})\\0")), [middle + 905]);
  assertEquals(find(regexMatcher("(?<=across\\0{900})\\0")), [middle + 8195 + 900]);
});

Deno.test("search: zeros are found where they are asked for", () => {
  const memory = sparseMemory({ 5000: "x" });
  const found = searchMemory(memory, [hexMatcher("0? 00")]);
  let count = 0;
  for (const { blockAddress } of found) {
    assertEquals(blockAddress, count < 4999 ? count : count + 2);
    count += 1;
    if (count === 300_000) break;
  }
  assertEquals(count, 300_000);
  assertEquals(
    hits(memory, regexMatcher("\\0{4096}"), 65536).length,
    Math.floor(5000 / 4096) + 4094,
  );
});

Deno.test("search: matches of a regular expression are at most as long as documented, wherever chunks end", () => {
  const pages = Array.from({ length: 10 }, () => ({
    kind: PAGE_KIND.NORMAL,
    bytes: zeros(4096).fill(0x61),
  }));
  const memory = new TestMemory(4096, pages);
  const expected = pages.map((_, index) => [index * MAX_MATCH_BYTES, MAX_MATCH_BYTES]);
  for (const chunkBytes of [1000, 4096, 5000, 100_000]) {
    const found = [...searchMemory(memory, [regexMatcher("a+")], { chunkBytes })];
    assertEquals(found.map((each) => [each.blockAddress, each.match.length]), expected);
    const long = [...searchMemory(memory, [regexMatcher("a{4097}|a{9}")], { chunkBytes })];
    assertEquals(new Set(long.map((each) => each.match.length)), new Set([9]));
  }
});

Deno.test("search: one place is shown with what stands around it", () => {
  const memory = sparseMemory({
    4090: "0123456789 the \x1b[31m needle \u00e9 in a very long line of hay",
  });
  const [hit, ...others] = [...searchMemory(memory, [textMatcher("needle")])];
  assertEquals(others, []);
  assertEquals(hit?.text, "56789 the .[31m needle .. in a very long line of hay............");
  assertEquals(hit?.text.length, 16 + 48);
});

Deno.test("search: UTF-16, and letters that both cases have", () => {
  const bytes = zeros(4096);
  bytes.set(new TextEncoder().encode("Größe GRÖSSE \u212a k K"));
  bytes.set([0x50, 0, 0xc4, 0, 0x72, 0], 101);
  const memory = new TestMemory(4096, [{ kind: PAGE_KIND.NORMAL, bytes }]);
  const find = (...matchers: Matcher[]) =>
    [...searchMemory(memory, matchers)].map((each) => each.blockAddress);
  assertEquals(find(textMatcher("grö", { ignoreCase: true })), [0, 8]);
  assertEquals(find(textMatcher("\u212a", { ignoreCase: true })), [16, 20, 22]);
  assertEquals(find(textMatcher("är", { ignoreCase: true, encoding: "utf-16le" })), [103]);
  assertEquals(find(textMatcher("Pä", { encoding: "utf-16le" })), []);
  const both = (text: string) => [
    textMatcher(text, { ignoreCase: true }),
    textMatcher(text, { ignoreCase: true, encoding: "utf-16le" }),
  ];
  assertEquals(find(...both("r")), [1, 9, 105]);
});

Deno.test("search: what can't be searched for is said", () => {
  for (const digits of ["", "d", "de a", "xy", "?? ??", "0x41", "4 1"]) {
    assertThrows(() => hexMatcher(digits), SyntaxError, undefined, digits);
  }
  assertThrows(() => hexMatcher("00".repeat(MAX_MATCH_BYTES + 1)), SyntaxError, "too long");
  assertThrows(() => textMatcher(""), SyntaxError, "empty");
  assertThrows(() => textMatcher("a".repeat(MAX_MATCH_BYTES + 1)), SyntaxError, "too long");
  for (const source of ["(", "a**", "[z-a]"]) assertThrows(() => regexMatcher(source), SyntaxError);
  for (const source of ["", "a*", "x|", "^", "$", "\\B", "(?!a)"]) {
    assertThrows(() => regexMatcher(source), SyntaxError, "empty text", source);
  }
  assertThrows(() => regexMatcher("é"), SyntaxError, "\\x80");
  // An expression that matches nothing at all at some places only.
  const memory = sparseMemory({ 4094: "word" });
  assertEquals(hits(memory, regexMatcher("\\b"), 4096), []);
  assertEquals(hits(memory, regexMatcher("\\b(w|)"), 4096), [[4094, "77"]]);
});

/** The memory of a recorded stream. */
function memoryOf(name: string): GuestMemory {
  const source = new BytesSource(loadStream(name));
  const memory = new GuestMemory(source, inflate);
  readState(source, { offset: loadCase(name).streamOffset, visitor: memory });
  return memory;
}

for (const name of ["pc", "pc-live", "pc-xbzrle", "pc-compress-7.2", "pc-mapped", "s390x"]) {
  Deno.test(`search of ${name}: what stands in the memory is found`, () => {
    using memory = memoryOf(name);
    for (const block of memory.blocks) {
      const flat = new Uint8Array(Math.min(block.usedLengthBytes, 4 << 20));
      memory.read(block, 0, flat);
      const text = asLatin1(flat);
      const begin = text.search(/[^\0]{4}/);
      if (begin < 0) continue;
      // Eight bytes from there, and eight across the border of the page.
      const border = Math.ceil((begin + 1) / memory.pageBytes) * memory.pageBytes;
      for (const start of [begin, Math.min(border, flat.length - 8) - 4]) {
        const wanted = flat.slice(start, start + 8);
        if (wanted.every((byte) => byte === 0)) continue;
        const expected: number[] = [];
        const needle = asLatin1(wanted);
        for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + 1)) {
          expected.push(at);
        }
        const found = [...searchMemory(memory, [hexMatcher(wanted.toHex())], { blocks: [block] })]
          .map(({ blockAddress }) => blockAddress);
        assertEquals(found.filter((at) => at <= flat.length - 8), expected, block.name);
      }
    }
  });
}
