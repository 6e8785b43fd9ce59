/**
 * Every error code has an input that provokes it, at the offset where it is.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { inflatePage } from "../analyze/memory/guest_memory.ts";
import { Bzip2Decoder } from "../container/decompress/bzip2.ts";
import { inflate } from "../container/inflate.ts";
import { decodeLibvirtSave } from "../container/libvirt.ts";
import { PipeSource } from "../container/pipe.ts";
import { FORMAT_ERROR_CODES, FormatError, type FormatErrorCode } from "../format/error.ts";
import { DEFAULT_LIMITS } from "../format/limits.ts";
import { MultifdChannelReader } from "../format/multifd/channel.ts";
import {
  encodePage,
  encodeRamEos,
  encodeRamWord,
  encodeXbzrlePage,
  encodeZeroPage,
  RAM_SAVE_FLAG,
} from "../format/ram.ts";
import { ByteReader } from "../format/reader.ts";
import { readReturnPath } from "../format/return_path.ts";
import { BytesSource } from "../format/source.ts";
import { StreamReader, type StreamReaderOptions } from "../format/stream.ts";
import { ByteWriter } from "../format/writer.ts";
import { annotated } from "./annotated.ts";
import { ChunkedInput } from "./reading.ts";
import { StreamBuilder } from "./streams.ts";

function read(bytes: Uint8Array, options: StreamReaderOptions = {}): void {
  for (const _ of new StreamReader(new BytesSource(bytes), options).items());
}

const readHex = (hex: string) => () => read(annotated(hex));
const readReturnHex = (hex: string) => () => [
  ...readReturnPath(new BytesSource(annotated(hex))),
];
const HEADER = '"QEVM" 00 00 00 03';
const RAM_START = `${HEADER} 01 00 00 00 01 03 "ram" 00 00 00 00 00 00 00 04`;
const BLOCK_M = '00*6 20 04 01 "m" 00*6 20 00';

/** A PART of the RAM behind a list of one block `m` of two pages of 4 KiB. */
const readRecords = (write: (writer: ByteWriter) => void) => () =>
  read(
    new StreamBuilder()
      .configuration({
        subsections: [{ name: "configuration/target-page-bits", targetPageBits: 12 }],
      })
      .ram().section("part", 1, "ram", write).eof().bytes(),
  );

const readDescription = (text: string) => () =>
  read(
    new StreamBuilder().section("full", 1, "dev", Uint8Array.of(1, 2, 3)).eof()
      .description(text).bytes(),
  );

const CHANNEL = "11 22 33 44 00 00 00 01 00*56";
const readChannel = (hex: string) => () => {
  const reader = new ByteReader(new BytesSource(annotated(hex)));
  new MultifdChannelReader(reader, { blocks: new Map(), pageBytes: 4096 }).next();
};

const device = (size: number) =>
  `{"devices": [{"name": "dev", "instance_id": 0, "vmsd_name": "dev", "version": 1, "fields": ` +
  `[{"name": "x", "type": "buffer", "size": ${size}}]}]}`;

/** Code, what is wrong, how it is provoked, and where the error must be where that is worth saying. */
type Provocation = readonly [
  code: FormatErrorCode,
  what: string,
  action: () => unknown,
  offset?: number,
];

const PROVOCATIONS: readonly Provocation[] = [
  ["truncated", "an empty input", readHex(""), 0],
  ["truncated", "three bytes", readHex('"QEV"'), 3],
  ["truncated", "no EOF", readHex(HEADER), 8],
  ["truncated", "inside a name", readHex(`${HEADER} 04 00 00 00 01 09 "abc"`), 17],
  ["truncated", "a block list", readHex(`${RAM_START} 00*6 20 04 01 "m" 00 00`), 37],
  ["bad-magic", "another file", readHex("7f 45 4c 46 00 00 00 03"), 0],
  [
    "bad-container",
    "a libvirt save image of version 3",
    () =>
      decodeLibvirtSave(new ByteReader(new BytesSource(annotated('"LibvirtQemudSave" 03 00*75')))),
    16,
  ],
  ["bad-compression", "bzip2 data without a block", () => {
    const reader = new ByteReader(new BytesSource(annotated('"BZh9" 00*10')));
    new Bzip2Decoder(reader, []).decode(new Uint8Array(1));
  }, 4],
  ["unsupported-version", "version 4", readHex('"QEVM" 00 00 00 04'), 4],
  ["bad-configuration", "a long machine name", readHex(`${HEADER} 07 00 00 10 00`), 9],
  ["bad-configuration", "subsection", readHex(`${HEADER} 07 00*4 05 01 "x" 00 00 00 01`), 13],
  ["bad-configuration", "version 2", readHex(`${HEADER} 07 00*4 05 01 "x" 00 00 00 02`), 16],
  [
    "bad-configuration",
    "many capabilities",
    readHex(`${HEADER} 07 00*4 05 1a "configuration/capabilities" 00 00 00 01 00 01 00 00`),
  ],
  ["bad-section", "type 9", readHex(`${HEADER} 09`), 8],
  ["bad-section", "a lone footer", readHex(`${HEADER} 7e 00 00 00 01`), 8],
  ["bad-section", "a second configuration", readHex(`${HEADER} 07 00*4 07`), 13],
  ["bad-section", "an unknown id", readHex(`${HEADER} 02 00 00 00 05`), 9],
  ["bad-section", "an empty name", readHex(`${HEADER} 04 00 00 00 05 00`), 13],
  [
    "bad-section",
    "RAM of version 3",
    readHex(`${HEADER} 01 00 00 00 01 03 "ram" 00 00 00 00 00 00 00 03`),
  ],
  [
    "bad-footer",
    "another id",
    readHex(`${RAM_START} 00*7 10 7e 00 00 00 01 03 00 00 00 01 00*7 10 7e 00 00 00 02`),
    52,
  ],
  [
    "bad-footer",
    "none",
    readHex(`${RAM_START} 00*7 10 7e 00 00 00 01 03 00 00 00 01 00*7 10 00`),
    51,
  ],
  ["bad-command", "number 0", readHex(`${HEADER} 08 00 00 00 00`), 9],
  ["bad-command", "number 12", readHex(`${HEADER} 08 00 0c 00 00`), 9],
  ["bad-command", "PING of 5 bytes", readHex(`${HEADER} 08 00 02 00 05 00*5`), 11],
  ["bad-command", "an empty discard", readHex(`${HEADER} 08 00 06 00 04 00 01 "m" 00`), 13],
  ["bad-command", "unknown block", readHex(`${HEADER} 08 00 06 00 14 00 01 "m" 00 00*16`)],
  ["bad-return-path", "type 8", readReturnHex("00 02 00 04 00*4 00 08 00 00"), 8],
  ["bad-return-path", "SHUT of 5 bytes", readReturnHex("00 01 00 05 00*5"), 2],
  ["bad-return-path", "a mark", readReturnHex('00 05 00 02 01 "m" 00*8 00*7 01'), 14],
  ["bad-package", "an empty one", readHex(`${HEADER} 08 00 07 00 04 00*4`), 17],
  ["bad-package", "no end", readHex(`${HEADER} 08 00 07 00 04 00 00 00 05 08 00 04 00 00 00`), 22],
  ["bad-ram-record", "two kinds", readRecords((writer) => encodeRamWord(writer, 0, 0x0a))],
  ["bad-ram-record", "no kind", readRecords((writer) => encodeRamWord(writer, 0, 0))],
  ["bad-ram-record", "the obsolete flag", readRecords((writer) => encodeRamWord(writer, 0, 1))],
  [
    "bad-ram-address",
    "behind the block",
    readRecords((writer) => encodeZeroPage(writer, { block: "m", address: 0x2000 })),
  ],
  [
    "bad-ram-block",
    "an unknown name",
    readRecords((writer) => encodeZeroPage(writer, { block: "other", address: 0 })),
  ],
  [
    "bad-ram-block",
    "CONTINUE first",
    readRecords((writer) => encodeZeroPage(writer, { block: undefined, address: 0 })),
  ],
  [
    "bad-ram-block",
    "a second list",
    readRecords((writer) => encodeRamWord(writer, 0x1000, RAM_SAVE_FLAG.MEM_SIZE)),
  ],
  ["bad-ram-block", "longer than all", readHex(`${RAM_START} 00*6 10 04 01 "m" 00*6 20 00`)],
  [
    "bad-ram-block",
    "twice",
    readHex(`${RAM_START} 00*6 40 04 01 "m" 00*6 20 00 01 "m" 00*6 20 00`),
  ],
  ["bad-page-size", "9 bits", () => {
    const wrong = { name: "configuration/target-page-bits", targetPageBits: 9 } as const;
    read(new StreamBuilder().configuration({ subsections: [wrong] }).bytes());
  }],
  ["bad-page-size", "no size fits", readHex(`${RAM_START} ${BLOCK_M} 00*7 08 01 "x" ff*16`)],
  ["bad-page-size", "two places", () =>
    read(
      new StreamBuilder().configuration({
        subsections: [{ name: "configuration/target-page-bits", targetPageBits: 12 }],
      }).eof().description('{"page_size": 8192, "devices": []}').bytes(),
    )],
  ["bad-mapped-ram", "version 2", () => readMapped("00 00 00 02 00*6 10 00 00*16")],
  ["bad-mapped-ram", "bitmap before", () => readMapped("00 00 00 01 00*6 10 00 00*7 01 00*16")],
  [
    "bad-mapped-ram",
    "pages before",
    () => readMapped("00 00 00 01 00*6 10 00 00*6 01 00 00*6 01 00"),
  ],
  ["bad-multifd", "no magic", readChannel("11 22 33 45 00 00 00 01 00*56"), 0],
  [
    "bad-multifd",
    "unknown flags",
    readChannel(`${CHANNEL} 11 22 33 44 00 00 00 01 00 00 01 00`),
    72,
  ],
  [
    "bad-xbzrle",
    "an empty run",
    readRecords((writer) =>
      encodeXbzrlePage(writer, { block: "m", address: 0 }, new Uint8Array(3))
    ),
  ],
  [
    "bad-xbzrle",
    "another encoding",
    readRecords((writer) => {
      encodeRamWord(writer, 0, RAM_SAVE_FLAG.XBZRLE, "m");
      writer.bytes(annotated("02 00 00"));
    }),
  ],
  [
    "bad-compressed-page",
    "no bytes",
    readRecords((writer) => {
      encodeRamWord(writer, 0, RAM_SAVE_FLAG.COMPRESS_PAGE, "m");
      writer.u32(0, "length");
    }),
  ],
  ["bad-compressed-page", "no zlib", () => inflatePage(inflate, new Uint8Array(9), 4096, 77), 77],
  [
    "bad-payload",
    "dirty bitmap",
    readHex(`${HEADER} 01 00 00 00 01 0c "dirty-bitmap" 00*4 00 00 00 01 02 7f ff`),
  ],
  ["bad-json", "no value", readDescription('{"page_size": }')],
  ["bad-vmdescription", "no devices", readDescription("{}")],
  ["bad-vmdescription", "a negative size", readDescription(device(-1))],
  ["device-mismatch", "too short", readDescription(device(2))],
  ["out-of-range", "an address", readHex(`${RAM_START} 00 20 00 00 00 00 00 10`), 25],
  ["out-of-range", "a length", readHex(`${RAM_START} 00*6 20 04 01 "m" 00 20 00*6`)],
  ["limit-exceeded", "packages", () => {
    const nest = (builder: StreamBuilder, depth: number): void => {
      if (depth > 0) builder.package((inner) => nest(inner, depth - 1));
      else builder.eof();
    };
    const builder = new StreamBuilder();
    nest(builder, DEFAULT_LIMITS.packageDepth + 1);
    read(builder.bytes());
  }],
  ["limit-exceeded", "sections", () => {
    const builder = new StreamBuilder().section("full", 1, "aa", new Uint8Array(4))
      .section("full", 2, "bb", new Uint8Array(4)).eof();
    read(builder.bytes(), { limits: { ...DEFAULT_LIMITS, sections: 1 } });
  }],
  ["limit-exceeded", "the description", () => {
    const bytes = new StreamBuilder().eof().description('{"devices": []}').bytes();
    read(bytes, { limits: { ...DEFAULT_LIMITS, vmdescriptionBytes: 3 } });
  }],
  ["limit-exceeded", "bytes behind the end of a pipe", () => {
    const bytes = new Uint8Array(1000);
    bytes.set(new StreamBuilder().eof().bytes());
    const pipe = new PipeSource(new ChunkedInput(bytes, 100));
    const limits = { ...DEFAULT_LIMITS, trailingBytes: 500 };
    for (const _ of new StreamReader(pipe, { limits }).items());
  }],
  ["limit-exceeded", "RAM blocks", () => {
    const bytes = new StreamBuilder().ram().bytes();
    read(bytes, { limits: { ...DEFAULT_LIMITS, ramBlocks: 0 } });
  }],
  ["not-seekable", "a pipe, backwards", () => {
    using pipe = new PipeSource(new ChunkedInput(new Uint8Array(100), 10));
    pipe.readAt(50, new Uint8Array(10));
    pipe.readAt(0, new Uint8Array(10));
  }],
  ["not-encodable", "a large number", () => new ByteWriter().u8(256, "byte")],
  ["not-encodable", "a long name", () => new ByteWriter().countedString("x".repeat(256), "name")],
  [
    "not-encodable",
    "an empty idstr",
    () => new StreamBuilder().section("full", 1, "", encodeRamEos),
  ],
];

function readMapped(header: string): void {
  read(
    new StreamBuilder().configuration({
      subsections: [{ name: "configuration/capabilities", capabilities: ["mapped-ram"] }],
    }).section("start", 1, "ram", (writer) => {
      encodeRamWord(writer, 0x1000, RAM_SAVE_FLAG.MEM_SIZE, "m");
      writer.u64(0x1000, "length");
      writer.bytes(annotated(header));
    }, { versionId: 4 }).bytes(),
  );
}

Deno.test("errors: every code is provoked, and only where it should be", () => {
  const provoked = new Set<string>();
  for (const [code, what, action, offset] of PROVOCATIONS) {
    const error = assertThrows(action, FormatError, undefined, `${code}: ${what}`);
    assertEquals(error.code, code, `${what}: ${error.describe()}`);
    if (offset !== undefined) assertEquals(error.offset, offset, error.describe());
    provoked.add(code);
  }
  assertEquals([...provoked].sort(), Object.keys(FORMAT_ERROR_CODES).sort());
});

Deno.test("errors: the table's streams are read where nothing is wrong with them", () => {
  readRecords((writer) => {
    encodePage(writer, { block: "m", address: 0 }, new Uint8Array(4096));
    encodeZeroPage(writer, { block: undefined, address: 0x1000 });
    encodeXbzrlePage(writer, { block: undefined, address: 0 }, annotated("00 01 aa"));
    encodeRamEos(writer);
  })();
  readDescription(device(3))();
  readHex(`${RAM_START} ${BLOCK_M} 00*7 10 7e 00 00 00 01 00`)();
});

Deno.test("errors: damage to the records does not hide the page size that they show", () => {
  for (const pageBytes of [1024, 4096, 16384]) {
    let damageOffset = 0;
    const bytes = new StreamBuilder().ram("m", 8, pageBytes).section("part", 1, "ram", (writer) => {
      for (let page = 0; page < 4; page++) {
        const block = page === 0 ? "m" : undefined;
        encodePage(writer, { block, address: page * pageBytes }, new Uint8Array(pageBytes).fill(9));
      }
      damageOffset = writer.offset;
      writer.bytes(new Uint8Array(3 * pageBytes).fill(0xff));
    }).eof().bytes();
    const reader = new StreamReader(new BytesSource(bytes));
    const error = assertThrows(() => [...reader.items()], FormatError);
    assertEquals([reader.pageBytes, error.offset], [pageBytes, damageOffset], error.describe());
  }
});
