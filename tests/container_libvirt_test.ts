/**
 * Save images of libvirt: all formats and byte orders, and everything that libvirt refuses.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { compatState } from "../analyze/compat/compat.ts";
import { inputInfo } from "../analyze/input_info.ts";
import { readState } from "../analyze/state.ts";
import { readDomain } from "../container/domain_xml.ts";
import { decodeLibvirtSave, encodeLibvirtSave, LIBVIRT_FORMATS } from "../container/libvirt.ts";
import { type OpenInput, openInput } from "../container/open.ts";
import { PipeSource } from "../container/pipe.ts";
import { FormatError } from "../format/error.ts";
import { ByteReader } from "../format/reader.ts";
import { BytesSource } from "../format/source.ts";
import { ByteWriter } from "../format/writer.ts";
import { annotated } from "./annotated.ts";
import { ChunkedInput } from "./reading.ts";
import { loadCase, loadStream, withTempFile } from "./testdata.ts";
import { HANG_MS } from "./patience.ts";
import {
  DOMAIN_XML,
  libvirtImage,
  libvirtSaveOf,
  payloadOf,
  WRAPPED_CASE,
  WRAPPED_STREAM,
} from "./wrapped.ts";

const stateText = ({ source, streamOffset }: Pick<OpenInput, "source" | "streamOffset">) =>
  compatState(readState(source, { offset: streamOffset }));
const EXPECTED = stateText({ source: new BytesSource(WRAPPED_STREAM), streamOffset: 0 });
const encode = (text: string) => new TextEncoder().encode(text);

function decode(bytes: Uint8Array) {
  return decodeLibvirtSave(new ByteReader(new BytesSource(bytes)));
}

for (const format of LIBVIRT_FORMATS) {
  for (const byteOrder of ["little", "big"] as const) {
    Deno.test(`libvirt: ${format}, ${byteOrder}-endian, as the bare ${WRAPPED_CASE}`, async () => {
      const wasRunning = byteOrder === "big";
      const image = libvirtImage({ format, byteOrder, wasRunning }, payloadOf(format));
      await withTempFile(image, async (path) => {
        using input = await openInput(path);
        const isPlain = format === "raw" || format === "sparse";
        assertEquals(input.container, isPlain ? "libvirt" : `libvirt > ${format}`);
        assertEquals(stateText(input), EXPECTED);
        assertEquals(input.notes, []);
        assertEquals(input.streamOffset, isPlain ? image.length - WRAPPED_STREAM.length : 0);
        assertEquals(inputInfo(input).libvirt, {
          name: "web & mail",
          uuid: "12345678-9abc-def0-1122-334455667788",
          wasRunning,
          format,
          version: 2,
          byteOrder,
          xmlBytes: DOMAIN_XML.length,
          cookieBytes: 10,
          reserveBytes: 65536,
        });
        const [libvirt] = input.wrappers;
        assert(libvirt?.kind === "libvirt");
        assertEquals(libvirt.xml, encode(DOMAIN_XML));
      });
    });
  }
}

Deno.test("libvirt: the offsets of a mapped-ram stream count from the file's beginning", async () => {
  // The stream of this case was written at this offset of its file.
  const { streamOffset } = loadCase("pc-mapped-offset");
  const stream = loadStream("pc-mapped-offset");
  const save = libvirtSaveOf({ format: "sparse", reserveBytes: 0 });
  const free = streamOffset - libvirtImage(save, new Uint8Array(0)).length;
  const writer = new ByteWriter();
  encodeLibvirtSave(writer, { ...save, reserveBytes: free });
  stream.set(writer.finish());
  await withTempFile(stream, async (path) => {
    using input = await openInput(path);
    assertEquals([input.container, input.streamOffset], ["libvirt", streamOffset]);
    const plain = { source: new BytesSource(loadStream("pc-mapped-offset")), streamOffset };
    assertEquals(stateText(input), stateText(plain));
  });
});

Deno.test("libvirt: version 1 is raw whatever the format says, and need not have a cookie", () => {
  const image = libvirtImage({ version: 1, cookie: undefined }, new Uint8Array(0));
  new DataView(image.buffer).setUint32(28, 5, true);
  const save = decode(image);
  assertEquals([save.version, save.format, save.cookie], [1, "raw", undefined]);
});

Deno.test("libvirt: the example of a real header", () => {
  const header = annotated(`"LibvirtQemudSave" 02 00*3 b5 05 01 00 00*4 06 00*3 c9 04 00 00 00*56`);
  const image = new Uint8Array(92 + 66997);
  image.set(header);
  image.set(encode("<domain type='qemu'/>\n".padEnd(1224)), 92);
  image.set(encode("<cookie>\n</cookie>".padEnd(235)), 92 + 1225);
  const save = decode(image);
  assertEquals([save.format, save.wasRunning, save.reserveBytes], ["sparse", false, 65536]);
  const writer = new ByteWriter();
  encodeLibvirtSave(writer, save);
  assertEquals(writer.finish(), image);
});

Deno.test("libvirt: decode and encode give the same bytes", () => {
  for (const byteOrder of ["little", "big"] as const) {
    for (const cookie of [undefined, encode(""), encode("<cookie>ü</cookie>")]) {
      for (const reserveBytes of [0, 1, 65536]) {
        const image = libvirtImage({ byteOrder, cookie, reserveBytes }, new Uint8Array(0));
        const writer = new ByteWriter();
        encodeLibvirtSave(writer, decode(image));
        assertEquals(writer.finish(), image);
      }
    }
  }
});

Deno.test("libvirt: where header and content differ, the content counts", async () => {
  for (
    const [says, is, note] of [
      ["raw", "gzip", "the libvirt header says raw, but the data are gzip"],
      ["gzip", "raw", "the libvirt header says gzip, but the data are not compressed"],
      ["lzop", "zstd", "the libvirt header says lzop, but the data are zstd"],
    ] as const
  ) {
    await withTempFile(libvirtImage({ format: says }, payloadOf(is)), async (path) => {
      using input = await openInput(path);
      assertEquals([stateText(input), input.notes], [EXPECTED, [note]]);
    });
  }
});

const u32 = (at: number, value: number) => (image: Uint8Array<ArrayBuffer>) => {
  new DataView(image.buffer).setUint32(at, value, true);
  return image;
};

/** What is wrong, how, where the error must be, and what it says. */
const REFUSED: readonly (readonly [
  what: string,
  damage: (image: Uint8Array<ArrayBuffer>) => Uint8Array,
  offset: number,
  message: string,
])[] = [
  ["version 0", u32(16, 0), 16, "unknown version"],
  ["version 3", u32(16, 3), 16, "unknown version"],
  ["data length 0", u32(20, 0), 20, "no XML"],
  ["data length behind the end", u32(20, 0xffffffff), 20, "leaves the file"],
  ["format 7", u32(28, 7), 28, "unknown format"],
  ["cookie behind the data", u32(32, 0x7fffffff), 32, "the cookie is outside"],
  [
    "no NUL behind the XML",
    (image) => image.fill(0x20, 92 + DOMAIN_XML.length, 92 + DOMAIN_XML.length + 1),
    92 + DOMAIN_XML.length + 1,
    "no NUL behind the XML",
  ],
  [
    "no NUL behind the cookie",
    (image) => image.fill(0x20, 92 + DOMAIN_XML.length + 1),
    92 + DOMAIN_XML.length + 12 + 100,
    "no NUL behind the cookie",
  ],
];

for (const [what, damage, offset, message] of REFUSED) {
  Deno.test(`libvirt: refused: ${what}`, () => {
    const bytes = damage(libvirtImage({ reserveBytes: 100 }, new Uint8Array(0)));
    const error = assertThrows(() => decode(bytes), FormatError, message);
    assertEquals([error.code, error.offset], ["bad-container", offset], error.describe());
    assertEquals(error.path, ["libvirt save image"]);
  });
}

Deno.test("libvirt: an image that was not finished says what is there", () => {
  const image = libvirtImage({}, WRAPPED_STREAM);
  image.set(encode("LibvirtQemudPart"));
  const error = assertThrows(() => decode(image), FormatError, "virsh save did not finish");
  const offset = image.length - WRAPPED_STREAM.length;
  assertStringIncludes(error.found!, `--offset ${offset}`);
  const start = assertThrows(() => decode(image.subarray(0, 50)), FormatError, "did not finish");
  assertStringIncludes(start.found!, "its header is not complete either");
});

Deno.test("libvirt: from a pipe nothing is kept but what was read ahead", () => {
  const image = libvirtImage({}, WRAPPED_STREAM);
  for (const chunk of [1, 100, 70_000]) {
    using pipe = new PipeSource(new ChunkedInput(image, chunk));
    assertEquals(decodeLibvirtSave(new ByteReader(pipe)).reserveBytes, 65536);
  }
});

Deno.test("domain XML: name and uuid stand directly below the domain", () => {
  const read = (xml: string) => readDomain(encode(xml));
  const both = { name: "a", uuid: "b" };
  for (
    const xml of [
      "<domain><name>a</name><uuid>b</uuid></domain>",
      "<?xml version='1.0'?><!-- <name>x</name> --><domain t='>'>\n<name>\n a </name><uuid>b</uuid></domain>",
      "<domain><metadata><name>x</name><uuid>y</uuid></metadata><uuid>b</uuid><name>a</name></domain>",
      "<domain><name><![CDATA[a]]></name><uuid>b<!-- </uuid> --></uuid></domain>",
      "<domain a=\"<name>x</name>\"><empty/><name x='/'>a</name><uuid >b</uuid ></domain>",
      "<domain><name>a</name><name>x</name><uuid>b</uuid></domain><domain><name>y</name></domain>",
      "<domain><name>&#97;</name><uuid>&#x62;</uuid>",
    ]
  ) assertEquals(read(xml), both, xml);
  assertEquals(
    read("<domain><name>&lt;&amp;&quot;&apos;&gt;&x;&#9999999;</name>").name,
    `<&"'>&x;&#9999999;`,
  );
  assertEquals(read("<domain><name>ä\u{1f600}</name>").name, "ä\u{1f600}");
  const none = { name: undefined, uuid: undefined };
  for (
    const xml of ["", "<", "<name>a</name>", "<network><name>a</name></network>", "<domain a='>"]
  ) {
    assertEquals(read(xml), none, xml);
  }
});

Deno.test("domain XML: hostile text takes time in proportion to its length", () => {
  const size = 1 << 20;
  const started = performance.now();
  for (
    const part of ["<", "<a", "<a>", "<!--", "<![CDATA[", "&", "<a b='", "</a>", "<a/>", "'\""]
  ) {
    readDomain(encode(`<domain>${part.repeat(size / part.length)}`));
  }
  assert(performance.now() - started < HANG_MS);
});
