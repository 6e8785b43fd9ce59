/**
 * What an input is, by its content: wrappers inside of wrappers, folders of channels, and everything that is no stream.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { compatState } from "../analyze/compat/compat.ts";
import { readInfo } from "../analyze/info.ts";
import { readState } from "../analyze/state.ts";
import {
  type OpenInput,
  openInput,
  type OpenOptions,
  type PackedProgress,
} from "../container/open.ts";
import { FormatError } from "../format/error.ts";
import { BytesSource } from "../format/source.ts";
import { annotated } from "./annotated.ts";
import { buildImage } from "./qcow2_builder.ts";
import { filesOf, loadStream, withTempFile } from "./testdata.ts";
import {
  compressedStream,
  gzip,
  libvirtImage,
  payloadOf,
  WRAPPED_STREAM,
  zstd,
} from "./wrapped.ts";

const stateText = ({ source, streamOffset }: Pick<OpenInput, "source" | "streamOffset">) =>
  compatState(readState(source, { offset: streamOffset }));
const EXPECTED = stateText({ source: new BytesSource(WRAPPED_STREAM), streamOffset: 0 });

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const QCOW2 = buildImage({ snapshots: [{ id: "1", name: "s", state: WRAPPED_STREAM }] }).bytes;

const WRAPPED: readonly (readonly [container: string, bytes: Uint8Array])[] = [
  ["none", WRAPPED_STREAM],
  ["gzip", compressedStream("gzip")],
  ["bzip2", compressedStream("bzip2")],
  ["xz", compressedStream("xz")],
  ["lzop", compressedStream("lzop")],
  ["zstd", compressedStream("zstd")],
  ["gzip > gzip", gzip(compressedStream("gzip"))],
  ["gzip > libvirt", gzip(libvirtImage({}, WRAPPED_STREAM))],
  ["zstd > libvirt > xz", zstd(libvirtImage({ format: "xz" }, payloadOf("xz")))],
  ["qcow2", QCOW2],
  ["gzip > qcow2", gzip(QCOW2)],
  [
    "qcow2 > gzip",
    buildImage({ snapshots: [{ id: "1", name: "s", state: compressedStream("gzip") }] }).bytes,
  ],
];

for (const [container, bytes] of WRAPPED) {
  Deno.test(`containers: ${container}, from the start, at an offset, and kept`, async () => {
    const moved = joined(new Uint8Array(4321).fill(1), bytes);
    const ways: readonly [Uint8Array, OpenOptions][] = [
      [bytes, {}],
      [bytes, { keepAll: true }],
      [bytes, { seekable: true }],
      [moved, { offset: 4321 }],
    ];
    for (const [file, options] of ways) {
      await withTempFile(file, async (path) => {
        using input = await openInput(path, options);
        assertEquals([input.container, input.notes], [container, []]);
        assertEquals(stateText(input), EXPECTED);
        if (options.seekable) assert(input.source.seekable);
        if (options.keepAll || options.seekable) assertEquals(stateText(input), EXPECTED);
      });
    }
  });
}

Deno.test("containers: wrappers around wrappers have an end", async () => {
  let bytes: Uint8Array = WRAPPED_STREAM;
  for (let depth = 0; depth < 4; depth++) bytes = gzip(bytes);
  await withTempFile(bytes, async (path) => {
    using input = await openInput(path);
    assertEquals([input.wrappers.length, stateText(input)], [4, EXPECTED]);
  });
  await withTempFile(gzip(bytes), async (path) => {
    const error = await assertRejects(() => openInput(path), FormatError, "Too many wrappers");
    assertEquals(error.code, "bad-container");
  });
});

Deno.test("containers: an error in decompressed data says what its offset counts in", async () => {
  const damaged = WRAPPED_STREAM.slice(0, 30_000);
  await withTempFile(gzip(libvirtImage({ format: "zstd" }, zstd(damaged))), async (path) => {
    using input = await openInput(path);
    const error = assertThrows(() => stateText(input), FormatError);
    assertEquals([error.offset, error.path[0]], [30_000, "gzip data > zstd data"]);
  });
  await withTempFile(zstd(new TextEncoder().encode("no stream")), async (path) => {
    const error = await assertRejects(() => openInput(path), FormatError, "looks like text");
    assertEquals([error.offset, error.path], [0, ["zstd data"]]);
  });
});

Deno.test("containers: what a decompressor notes comes with the last byte", async () => {
  const bytes = joined(compressedStream("gzip"), new TextEncoder().encode("garbage"));
  await withTempFile(bytes, async (path) => {
    using input = await openInput(path);
    const { info } = readInfo(input);
    assertEquals([info.input.sizeBytes, info.notes.length], [WRAPPED_STREAM.length, 1]);
    assertEquals(info.notes, input.notes);
  });
});

Deno.test("containers: a snapshot is asked for where there is none", async () => {
  await withTempFile(WRAPPED_STREAM, async (path) => {
    await assertRejects(() => openInput(path, { snapshot: "s" }), FormatError, "No snapshots here");
  });
});

/** Writes files into a folder for as long as `use` takes. */
async function withFolder(
  files: Readonly<Record<string, Uint8Array>>,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    for (const [name, bytes] of Object.entries(files)) {
      Deno.writeFileSync(`${folder}/${name}`, bytes);
    }
    await use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const text = (value: string) => new TextEncoder().encode(value);

Deno.test("capture: files of a folder by content, whatever their names say", async () => {
  const [first, second] = filesOf("pc-multifd", "multifd");
  const multifd = [first!, second!].map((file) => loadStream("pc-multifd", file));
  const files = {
    "a-multifd.bin": multifd[1]!,
    "b.zst": zstd(multifd[0]!),
    "c-empty": new Uint8Array(0),
    "d-empty.gz": gzip(new Uint8Array(0)),
    "e-main.txt": loadStream("pc-multifd"),
    "f.json": text("{}"),
    "g-damaged.gz": gzip(multifd[0]!).subarray(0, 8),
  };
  await withFolder(files, async (folder) => {
    Deno.mkdirSync(`${folder}/sub`);
    Deno.symlinkSync("nowhere", `${folder}/z-link`);
    for (const path of [folder, Object.keys(files).map((name) => `${folder}/${name}`)]) {
      using input = await openInput(path);
      const { info } = readInfo(input);
      assertEquals([input.container, info.machine], ["capture", "pc-i440fx-10.0"]);
      const shown = info.input.channels?.map(({ path, role, channelId }) => [
        ...[path.slice(folder.length + 1), role, channelId],
      ]);
      assertEquals(shown, [
        ["a-multifd.bin", "multifd", 1],
        ["b.zst", "multifd", 0],
        ["f.json", "unknown", undefined],
        ["g-damaged.gz", "unknown", undefined],
      ]);
      assertEquals(info.input.channels?.[0]?.sizeBytes, multifd[1]!.length);
      assertEquals(Object.keys(info.input.channels?.[2] ?? {}), ["path", "role", "sizeBytes"]);
      assertEquals(info.pageChannels?.channels.map(({ channelId }) => channelId), [0, 1]);
    }
  });
});

Deno.test("capture: preempt channel and return path; the main one may be compressed", async () => {
  const [preempt] = filesOf("pc-preempt", "preempt");
  const [returnPath] = filesOf("pc-preempt", "returnPath");
  const files = {
    a: loadStream("pc-preempt", preempt),
    b: loadStream("pc-preempt", returnPath),
    c: gzip(loadStream("pc-preempt")),
    d: annotated('"QCPR" 00 00 00 01'),
  };
  await withFolder(files, async (folder) => {
    using input = await openInput(folder);
    assertEquals(input.container, "capture > gzip");
    assertEquals(input.channels.map(({ role }) => role), ["preempt", "return-path", "cpr"]);
    assertEquals(input.notes, []);
    assertEquals(readState(input.source).pageBytes, 4096);
  });
});

Deno.test("capture: all recorded channels are told apart", async () => {
  const roles = { multifd: "multifd", preempt: "preempt", returnPath: "return-path" } as const;
  const names = ["pc-multifd-7.2", "pc-multifd-zstd", "pc-postcopy", "pc-returnpath"];
  for (const name of names) {
    const main = loadStream(name);
    for (const [fileRole, role] of Object.entries(roles)) {
      for (const file of filesOf(name, fileRole as keyof typeof roles)) {
        await withFolder({ main, other: loadStream(name, file) }, async (folder) => {
          using input = await openInput(folder);
          const [channel] = input.channels;
          assertEquals([channel?.role, channel?.channelId], [role, file.channel], file.file);
        });
      }
    }
  }
});

Deno.test("capture: the UUID of a multifd channel; two of one number are noted", async () => {
  const packet = (id: number, uuid: string) =>
    annotated(`11 22 33 44 00 00 00 01 ${uuid} 0${id} 00*39`);
  const files = {
    main: WRAPPED_STREAM,
    one: packet(1, "12 34 00*13 56"),
    two: packet(1, "00*16"),
  };
  await withFolder(files, async (folder) => {
    using input = await openInput(folder);
    const uuids = input.channels.map(({ uuid }) => uuid);
    assertEquals(uuids, ["12340000-0000-0000-0000-000000000056", undefined]);
    assert(input.notes.includes("two multifd channels have the same number"));
  });
});

Deno.test("capture: exactly one file is the main channel", async () => {
  await withFolder({ a: WRAPPED_STREAM, b: WRAPPED_STREAM }, async (folder) => {
    const error = await assertRejects(() => openInput(folder), FormatError, "more than one");
    assertEquals(error.code, "bad-container");
    assertMatch(error.found!, /a" and ".*b"$/);
  });
  await withFolder({ a: text("text"), b: new Uint8Array(0) }, async (folder) => {
    const error = await assertRejects(() => openInput(folder), FormatError, "no file is the main");
    assertEquals(error.found, "1 of role unknown");
  });
  await withFolder({}, async (folder) => {
    await assertRejects(() => openInput(folder), FormatError, "no file is the main");
  });
});

const noise = new Uint8Array(2000).map((_, index) => 128 + index * 7 % 100);
const bootSector = noise.slice();
bootSector.set([0x55, 0xaa], 510);

/** What an input is, and what is said of it. */
const STRANGERS: readonly (readonly [bytes: Uint8Array, said: RegExp])[] = [
  [new Uint8Array(0), /the input is empty/],
  [noise, /^Not a migration stream at offset 0/],
  [new Uint8Array(600), /looks like zeros/],
  [text("hello world\n"), /looks like text/],
  [text('{"return": {}}'), /looks like JSON/],
  [text("<?xml version='1.0'?><a/>"), /looks like XML/],
  [text("<domain type='kvm'>"), /looks like the XML of a libvirt domain/],
  [annotated('7f "ELF" 02 01 01 00*50'), /an ELF file, perhaps a core/],
  [annotated('"EMiL" 01 00 00 00'), /a LiME memory image/],
  [annotated("16 03 01 02 00 01 00 01 fc"), /a TLS connection/],
  [annotated("11 22 33 44 00 00 00 01 00*56"), /a captured multifd channel/],
  [annotated('"QCPR" 00 00 00 01'), /a captured CPR channel/],
  [annotated("00 02 00 04 00 00 00 01 00 01 00 04 00*4"), /the return path of a migration/],
  [annotated("00 07 00 00"), /the return path of a migration/],
  [annotated('00 03 00 13 00*5 03 a0 00 00 00 10 00 06 "pc.ram"'), /the return path/],
  [annotated('00*5 03 a0 08 06 "pc.ram" 00*99'), /a captured preempt channel/],
  [bootSector, /a raw disk image: it has a boot sector/],
  [annotated('"KDMV" 01 00 00 00'), /a VMDK disk image/],
  [annotated('"<<< Oracle VM VirtualBox Disk Image >>>" 0a'), /a VDI disk image/],
  [annotated('"vhdxfile" 00*8'), /a VHDX disk image/],
  [annotated('"PK" 03 04 00*8'), /a ZIP archive/],
  [annotated('"abc" 00*254 "ustar" 00*300'), /a tar archive/],
];

Deno.test("containers: what is no stream is named", async () => {
  for (const [bytes, said] of STRANGERS) {
    await withTempFile(bytes, async (path) => {
      const error = await assertRejects(() => openInput(path), FormatError);
      assertMatch(error.describe(), said);
      assert(["bad-magic", "truncated"].includes(error.code));
      assertEquals(error.offset, 0);
    });
  }
});

Deno.test("containers: every part of a magic number fails as a stream that is cut off", async () => {
  for (const length of [1, 2, 3]) {
    await withTempFile(WRAPPED_STREAM.subarray(0, length), async (path) => {
      using input = await openInput(path);
      const error = assertThrows(() => readState(input.source), FormatError);
      assertEquals([error.code, error.offset], ["truncated", length]);
    });
  }
});

Deno.test("containers: a stream somewhere else in the file is found", async () => {
  // Across the border of the blocks that are searched, and with what only looks like one before.
  const far = (1 << 20) - 95;
  const before = new Uint8Array(far).fill(3);
  before.set(annotated('"QEVM" 00 00 00 03 09'), 100);
  before.set(annotated('"QEVM" 00 00 00 04 07'), 200);
  await withTempFile(joined(before, WRAPPED_STREAM), async (path) => {
    const error = await assertRejects(() => openInput(path), FormatError);
    assertEquals(error.found, `03 03 03 03, and what may be a stream at --offset ${far}`);
    using input = await openInput(path, { offset: far });
    assertEquals(stateText(input), EXPECTED);
  });
  const image = libvirtImage({ format: "gzip" }, compressedStream("gzip"));
  for (const byte of [0, 0x20, 9]) {
    await withTempFile(joined(new Uint8Array(999).fill(byte), image), async (path) => {
      const error = await assertRejects(() => openInput(path), FormatError);
      assertMatch(error.found!, /, and what may be a libvirt save image at --offset 999$/);
    });
  }
});

Deno.test("open: of a compressed input it is known how much was read, of others it is not", async () => {
  const packed = gzip(libvirtImage({ format: "zstd" }, zstd(WRAPPED_STREAM)));
  await withTempFile(packed, async (path) => {
    const told: number[] = [];
    const onUnpack = ({ readBytes, sizeBytes }: PackedProgress) => {
      assertEquals(sizeBytes, packed.length);
      told.push(readBytes);
    };
    using input = await openInput(path, { seekable: true, onUnpack });
    assert(told.length > 0, "nothing was told");
    assertEquals(told, told.toSorted((a, b) => a - b));
    assertEquals([told.at(-1), input.packed?.readBytes], [packed.length, packed.length]);

    using inOrder = await openInput(path);
    assert(inOrder.packed!.readBytes <= packed.length);
    readState(inOrder.source, { offset: inOrder.streamOffset });
    assertEquals(inOrder.packed?.readBytes, packed.length);
  });
  await withTempFile(WRAPPED_STREAM, async (path) => {
    using input = await openInput(path, { seekable: true });
    assertEquals(input.packed, undefined);
  });
});
