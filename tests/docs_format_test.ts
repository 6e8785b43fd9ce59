/**
 * The page about the format quotes real streams: every dump, list of items and description on it is what the file has.
 */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { BytesSource } from "../format/source.ts";
import type { StreamItem } from "../format/items.ts";
import { StreamReader } from "../format/stream.ts";
import {
  dumpedFields,
  notedNumber,
  notedTexts,
  type Quote,
  quotedBytes,
  quotesOf,
} from "./annotated_page.ts";

const FOLDER = new URL("../docs/", import.meta.url);
const page = Deno.readTextFileSync(new URL("format.md", FOLDER));
const quotes = quotesOf(page);

const dumps = quotes.filter(({ what }) => what.startsWith("offset "));
const itemLists = quotes.filter(({ what }) => what === "items");
const descriptions = quotes.filter(({ what }) => what.startsWith("description of "));

function labelOf(item: StreamItem): string {
  if (item.kind === "section") return `${item.type.toUpperCase()} ${item.section.idstr}`;
  if (item.kind === "command") return `COMMAND ${item.command.name}`;
  if (item.kind === "configuration") return "CONFIGURATION";
  return item.kind === "eof" ? "EOF" : item.kind;
}

function checkDump(quote: Quote): void {
  const file = quotedBytes(quote.file);
  for (const { offset, bytes, note } of dumpedFields(quote)) {
    const place = `${quote.file} at 0x${offset.toString(16)}: ${note}`;
    const real = file.subarray(offset, offset + bytes.length);
    assertEquals([...real], bytes, place);
    const number = notedNumber(note);
    if (number === undefined) {
      const text = String.fromCharCode(...bytes);
      for (const noted of notedTexts(note)) assertStringIncludes(text, noted, place);
    } else {
      assertEquals(BigInt(`0x${real.toHex()}`), number, place);
    }
  }
}

function checkItems({ file, lines }: Quote): void {
  const items = [...new StreamReader(new BytesSource(quotedBytes(file))).items()]
    .filter(({ kind }) => kind !== "footer");
  let next = 0;
  for (const [index, line] of lines.entries()) {
    if (line === "...") continue;
    const [, digits = "", rest = ""] = /^([0-9a-f]{8}) {2}(.*)$/.exec(line) ?? [];
    const offset = parseInt(digits, 16);
    if (lines[index - 1] === "...") next = items.findIndex((item) => item.offset === offset);
    const item = items[next];
    assert(item !== undefined, `${file}: no item for ${line}`);
    assertEquals(offset, item.offset, line);
    assertEquals(rest.split(/ {3,}/).find((part) => part !== "")?.trim(), labelOf(item), line);
    next += 1;
  }
  const isCut = lines.at(-1) === "...";
  assert(isCut || next === items.length, `${file}: the list ends before the stream`);
}

function checkDescription({ file, what, lines }: Quote): void {
  const name = JSON.parse(what.slice("description of ".length));
  const items = [...new StreamReader(new BytesSource(quotedBytes(file))).items()];
  const last = items.find(({ kind }) => kind === "vmdescription");
  assert(last?.kind === "vmdescription");
  const { devices } = JSON.parse(new TextDecoder().decode(last.text));
  const device = devices.find((each: { name: string }) => each.name === name);
  assertEquals(JSON.parse(lines.join("\n")), device);
}

Deno.test("docs: the page about the format quotes many streams, each in a known way", () => {
  assert(dumps.length >= 45, `${dumps.length} dumps`);
  assert(itemLists.length >= 2);
  assert(descriptions.length >= 1);
  assertEquals(quotes.length, dumps.length + itemLists.length + descriptions.length);
  assert(new Set(quotes.map(({ file }) => file)).size >= 20);
  const notes = dumps.flatMap(dumpedFields).map(({ note }) => note);
  assert(notes.filter((note) => notedNumber(note) !== undefined).length >= 200);
});

for (const quote of quotes) {
  Deno.test(`docs: line ${quote.line} of the format is what ${quote.file} has`, () => {
    if (quote.what === "items") checkItems(quote);
    else if (quote.what.startsWith("offset ")) checkDump(quote);
    else checkDescription(quote);
  });
}

Deno.test("docs: a dump that isn't what the file has is noticed", () => {
  const block = (...lines: string[]) =>
    quotesOf(["```text", "testdata/none.mig, offset 0x0", "", ...lines, "```"].join("\n"))[0]!;
  checkDump(block('00000  51 45 56 4d  "QEVM"', "00004  00 00 00 03  = 3"));
  assertThrows(() => checkDump(block("00000  51 45 56 4e")));
  assertThrows(() => checkDump(block('00000  51 45 56 4d  "QEVN"')));
  assertThrows(() => checkDump(block("00000  51 45 56 4d", "00004  00 00 00 03  = 4")));
  assertThrows(() => checkDump(block("00001  45 56 4d")), Error, "0x0 is next");
  assertThrows(() => checkDump(block("00000 51 45 56 4d")), Error, "not a line of a dump");
});

/** How GitHub makes an anchor of a heading. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replaceAll(/[^\w\- ]/g, "").replaceAll(" ", "-");
}

function headingsOf(text: string): string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```/gm, "");
  return [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => anchorOf(heading));
}

const PAGES = [
  "docs/format.md",
  "docs/library.md",
  "docs/conformance.md",
  "docs/forensics.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
];

for (const name of PAGES) {
  Deno.test(`docs: the links of ${name} lead somewhere`, () => {
    const file = new URL(`../${name}`, import.meta.url);
    const text = Deno.readTextFileSync(file);
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
    assert(links.length > 0, "no links");
    for (const link of links.filter((each) => !each.startsWith("https://"))) {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? file : new URL(path, file);
      const { isFile } = Deno.statSync(target);
      if (anchor === undefined) continue;
      assert(isFile && headingsOf(Deno.readTextFileSync(target)).includes(anchor), link);
    }
  });
}
