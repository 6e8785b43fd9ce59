/**
 * What inputs are made of: every file of testdata/, whole and small versions of its streams, and streams in wrappers.
 *
 * @module
 */

import { deflateSync, zstdDecompressSync } from "node:zlib";
import { encodeXbzrle } from "../format/xbzrle.ts";
import { made } from "../tests/recoding.ts";
import { mappedStream, postcopyStream } from "../tests/streams.ts";
import { buildImage } from "../tests/qcow2_builder.ts";
import { caseNames, filesOf, loadCase, loadStream } from "../tests/testdata.ts";
import { gzip, libvirtImage, zstd } from "../tests/wrapped.ts";
import { dissect, type Dissection } from "./dissect.ts";
import { reduceStream } from "./reduce.ts";

const TESTDATA = new URL("../testdata/", import.meta.url);

/** A file, whatever is in it. */
export interface FileSeed {
  /** What it is. */
  readonly name: string;
  /** Its bytes. */
  readonly bytes: Uint8Array;
  /** Absolute offset of the stream. */
  readonly offset: number;
}

/** Every kind of RAM record, twice on the same pages, for two blocks. */
function recordStream(): Uint8Array {
  const page = Uint8Array.from({ length: 4096 }, (_, at) => at % 7 === 0 ? at & 0xff : 0);
  const delta = encodeXbzrle(page, page.slice().fill(9, 100, 300));
  if (!(delta instanceof Uint8Array)) throw new Error(`no delta: ${delta}`);
  const deflated = new Uint8Array(deflateSync(page));
  return made((writer) => {
    writer.header();
    writer.configuration({ machine: "pc-i440fx-10.0", subsections: [] });
    writer.ram("start", 2, (ram) => {
      ram.blockList([
        { name: "pc.ram", usedLengthBytes: 6 * 4096 },
        { name: "b", usedLengthBytes: 2 * 4096 },
      ]);
      ram.eos();
    });
    for (const type of ["part", "part", "end"] as const) {
      writer.ram(type, 2, (ram) => {
        ram.page("pc.ram", 4096, page);
        ram.xbzrle("pc.ram", 4096, delta);
        ram.zero("pc.ram", 8192, 2, 4096);
        ram.compressed("b", 4096, deflated);
        ram.zero("b", 0, 1, 4096);
        ram.eos();
      });
    }
    writer.eof();
    const description = { page_size: 4096, devices: [] };
    writer.vmdescription(new TextEncoder().encode(JSON.stringify(description)));
  });
}

/** The small streams, taken apart. */
export function smallStreams(): Dissection[] {
  const found = [
    dissect("built postcopy", postcopyStream()),
    dissect("built mapped-ram", mappedStream()),
    dissect("built records", recordStream()),
    dissect("none", loadStream("none")),
    dissect("avr-uno", loadStream("avr-uno")),
  ];
  for (const name of caseNames()) {
    const bytes = loadStream(name);
    const { streamOffset } = loadCase(name);
    for (const firstDevice of [0, 3]) {
      const reduction = { pages: 3, everyDevice: 5, firstDevice, deviceBytes: 400 };
      const small = reduceStream(bytes, streamOffset, reduction);
      if (small !== undefined && small.length < 60_000) {
        found.push(dissect(`${name} ${firstDevice}`, small));
      }
    }
  }
  return found;
}

/** The recorded streams of at most `maxBytes`, taken apart. */
export function wholeStreams(maxBytes: number): Dissection[] {
  return caseNames().flatMap((name) => {
    const bytes = loadStream(name);
    return bytes.length > maxBytes ? [] : [dissect(name, bytes, loadCase(name).streamOffset)];
  });
}

/** Files in wrappers; what is inside of those made here is changed before it is wrapped. */
export interface WrappedSeed {
  /** What it is. */
  readonly name: string;
  /** Wraps a stream. */
  readonly wrap: (stream: Uint8Array) => Uint8Array;
}

/** Ways to wrap a stream. */
export const WRAPPERS: readonly WrappedSeed[] = [
  { name: "gzip", wrap: gzip },
  { name: "zstd", wrap: zstd },
  { name: "libvirt", wrap: (stream) => libvirtImage({ reserveBytes: 64 }, stream) },
  { name: "libvirt gzip", wrap: (stream) => libvirtImage({ format: "gzip" }, gzip(stream)) },
  {
    name: "qcow2",
    wrap: (state) => buildImage({ snapshots: [{ id: "1", name: "s", state }] }).bytes,
  },
  {
    name: "qcow2 deflate",
    wrap: (state) =>
      buildImage({
        compression: "deflate",
        scattered: true,
        snapshots: [{ id: "1", name: "s", state }],
      })
        .bytes,
  },
  {
    name: "qcow2 zstd 2",
    wrap: (state) =>
      buildImage({
        compression: "zstd",
        extendedL2: true,
        clusterBits: 14,
        snapshots: [{ id: "1", name: "s", state }, {
          id: "2",
          name: "t",
          state: state.slice(0, 9),
        }],
      }).bytes,
  },
  { name: "gzip zstd", wrap: (stream) => gzip(zstd(stream)) },
];

/** The files of testdata/compressed, testdata/wrapped and testdata/snapshots. */
export function containerFiles(): FileSeed[] {
  const found: FileSeed[] = [];
  for (const folder of ["compressed", "wrapped", "snapshots"]) {
    for (const { name } of Deno.readDirSync(new URL(`${folder}/`, TESTDATA))) {
      if (/\.(ts|md|json)$/.test(name)) continue;
      const stored = Deno.readFileSync(new URL(`${folder}/${name}`, TESTDATA));
      const bytes = name.endsWith(".qcow2.zst")
        ? new Uint8Array(zstdDecompressSync(stored))
        : stored;
      found.push({ name: `${folder}/${name}`, bytes, offset: 0 });
    }
  }
  return found.sort((a, b) => a.name < b.name ? -1 : 1);
}

/** A captured migration: its main channel, taken apart, and the others. */
export interface CaptureSeed {
  /** Name of the case. */
  readonly name: string;
  /** The main channel. */
  readonly main: Dissection;
  /** The others: name of the file, and its bytes. */
  readonly others: readonly { readonly file: string; readonly bytes: Uint8Array }[];
}

/** Channels are cut behind so many bytes: all that is behind them is alike. */
const CHANNEL_BYTES = 60_000;

/** The recorded migrations of several channels. */
export function captures(): CaptureSeed[] {
  return caseNames(({ files }) =>
    files.some(({ role }) => role === "multifd" || role === "preempt")
  )
    .map((name) => ({
      name,
      main: dissect(name, loadStream(name)),
      others: [
        ...filesOf(name, "multifd"),
        ...filesOf(name, "preempt"),
        ...filesOf(name, "returnPath"),
      ]
        .map((file) => ({
          file: file.role === "multifd" ? `multifd-${file.channel}.bin` : `${file.role}.bin`,
          bytes: loadStream(name, file),
        })),
    }));
}

/** Recorded channels that are read on their own, shortened. */
export function channelFiles(): FileSeed[] {
  return captures().flatMap(({ name, others }) =>
    others.map(({ file, bytes }) => ({
      name: `${name}/${file}`,
      bytes: bytes.subarray(0, CHANNEL_BYTES),
      offset: 0,
    }))
  );
}
