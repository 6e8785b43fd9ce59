/**
 * What is tried: for each target how an input is made, and what is done with it.
 *
 * @module
 */

import { zstdDecompressSync } from "node:zlib";
import type { Compression } from "../container/decompress/compression.ts";
import { LIBVIRT_HEADER_BYTES } from "../container/libvirt.ts";
import { encodeXbzrle } from "../format/xbzrle.ts";
import { gzip, libvirtImage, zstd } from "../tests/wrapped.ts";
import type { Random } from "../tests/reading.ts";
import { type Mutant, mutateBytes } from "./bytes.ts";
import * as codecs from "./codecs.ts";
import { COMMANDS, memoryLines, remove, runCommand, type Workplace } from "./commands.ts";
import { mutateDescription } from "./description.ts";
import type { Dissection } from "./dissect.ts";
import { tryAgainst, tryGiven, tryPair } from "./pairs.ts";
import { runProcess } from "./processes.ts";
import {
  captures,
  channelFiles,
  containerFiles,
  type FileSeed,
  smallStreams,
  wholeStreams,
  WRAPPERS,
} from "./seeds.ts";
import { mutateStructure } from "./structure.ts";

/** An input, and how it was made. */
export interface FuzzInput extends Mutant {
  /** Absolute offset of the stream. */
  readonly offset: number;
  /** Other files of the same input: a capture's. */
  readonly others?: readonly { readonly file: string; readonly bytes: Uint8Array }[];
}

/** A target. */
export interface Target {
  /** Inputs in one turn, while other targets have theirs. */
  readonly share: number;
  /** Makes an input. */
  make(random: Random): FuzzInput;
  /** Tries it: gives a word for the outcome, or throws what may not happen. */
  run(input: FuzzInput, random: Random, place: Workplace): string | Promise<string>;
}

function lazily<Value>(make: () => Value): () => Value {
  let value: { readonly made: Value } | undefined;
  return () => (value ??= { made: make() }).made;
}

const small = lazily(smallStreams);
const whole = lazily(() => wholeStreams(300_000));
const large = lazily(() => wholeStreams(6_000_000).filter(({ bytes }) => bytes.length > 300_000));
const channels = lazily(channelFiles);
const containers = lazily(containerFiles);
const recorded = lazily(captures);

function damagedStream(streams: readonly Dissection[], random: Random): FuzzInput {
  const stream = random.of(streams);
  const other = random.of(streams);
  const { offset } = stream;
  if (random.below(4) > 0) return { ...mutateStructure(stream, random, other), offset };
  const mutant = mutateBytes(stream.bytes, random, other.bytes);
  return { kind: `bytes: ${mutant.kind}`, bytes: mutant.bytes, offset };
}

function damagedFile(files: readonly FileSeed[], random: Random): FuzzInput {
  const { bytes, offset } = random.of(files);
  const mutant = mutateBytes(bytes, random, random.of(files).bytes);
  return { kind: `bytes: ${mutant.kind}`, bytes: mutant.bytes, offset };
}

function seedsOf(...seeds: readonly Uint8Array[]): readonly FileSeed[] {
  return seeds.map((bytes, index) => ({ name: String(index), bytes, offset: 0 }));
}

function stream(
  share: number,
  streams: () => readonly Dissection[],
  run: (bytes: Uint8Array, offset: number, random: Random) => string,
): Target {
  return {
    share,
    make: (random) => damagedStream(streams(), random),
    run: ({ bytes, offset }, random) => run(bytes, offset, random),
  };
}

function codec(
  share: number,
  files: () => readonly FileSeed[],
  run: (bytes: Uint8Array) => string,
): Target {
  return {
    share,
    make: (random) => damagedFile(files(), random),
    run: ({ bytes }) => run(bytes),
  };
}

const maps = lazily(() =>
  seedsOf(
    new TextEncoder().encode(
      '[{"block":"pc.ram","guestAddress":"0x0","lengthBytes":655360},' +
        '{"block":"pc.ram","guestAddress":1048576,"blockAddress":1048576},' +
        '{"block":"pc.bios","guestAddress":"0xfffc0000"}]',
    ),
  )
);

const descriptions = lazily(() =>
  whole().flatMap(({ parts }) =>
    parts.filter(({ kind }) => kind === "json").map(({ bytes }) => bytes)
  )
    .filter(({ length }) => length < 60_000)
);

function damagedDescription(random: Random): FuzzInput {
  const text = random.of(descriptions());
  if (random.below(2) === 0) {
    return { kind: "tree", bytes: mutateDescription(text, random), offset: 0 };
  }
  const { kind, bytes } = mutateBytes(text, random, text);
  return { kind: `bytes: ${kind}`, bytes, offset: 0 };
}

/** Streams that carry no description, but whose devices are those of others. */
const undescribed = lazily(() =>
  whole().filter(({ name }) => ["pc-no-vmdesc", "pc-2.2-7.2", "pc-no-footer"].includes(name))
);

const destinations = lazily(() => {
  const stored = Deno.readFileSync(
    new URL("../testdata/against/pc-i440fx-10.0.json.zst", import.meta.url),
  );
  return seedsOf(new Uint8Array(zstdDecompressSync(stored)));
});

const deltas = lazily(() => {
  const page = new Uint8Array(4096);
  const runs = [[0, 10], [100, 300], [4090, 4096], [0, 4096]] as const;
  return seedsOf(...runs.flatMap(([start, end]) => {
    const delta = encodeXbzrle(
      page,
      page.slice().fill(7, start, end).fill(0, start + 4, start + 6),
      8192,
    );
    return delta instanceof Uint8Array ? [delta] : [];
  }));
});

const saves = lazily(() =>
  seedsOf(
    libvirtImage({ reserveBytes: 64 }, new Uint8Array(8)),
    libvirtImage({ byteOrder: "big", version: 1, cookie: undefined }, new Uint8Array(8)),
    libvirtImage({ format: "zstd" }, new Uint8Array(8)).slice(0, LIBVIRT_HEADER_BYTES + 700),
  )
);

const COMPRESSIONS: readonly [RegExp, Compression][] = [
  [/\.gz$/, "gzip"],
  [/\.bz2$/, "bzip2"],
  [/\.xz$/, "xz"],
  [/\.lzo$/, "lzop"],
  [/\.zst$/, "zstd"],
];

const compressed = lazily(() =>
  COMPRESSIONS.flatMap(([suffix, compression]) =>
    containers().filter(({ name }) => name.startsWith("compressed/") && suffix.test(name))
      .map((file) => ({ ...file, compression }))
  )
);

/** The names of the commands that are tried with one input: all of them with a small one, a few with others. */
async function tryCommands(
  names: readonly string[],
  { bytes, others }: FuzzInput,
  random: Random,
  place: Workplace,
): Promise<string> {
  const path = `${place.folder}/input`;
  const out = `${place.folder}/out`;
  if (others === undefined) Deno.writeFileSync(path, bytes);
  else {
    Deno.mkdirSync(path);
    Deno.writeFileSync(`${path}/main.bin`, bytes);
    for (const { file, bytes } of others) Deno.writeFileSync(`${path}/${file}`, bytes);
  }
  const results = new Map<string, string>();
  try {
    for (const name of names) {
      const at = random.below(Math.max(1, bytes.length + 20));
      const { word, out: printed } = await runCommand(name, path, out, bytes.length, at);
      results.set(name, word);
      if (name === "validate --json" && /^exit/.test(word)) JSON.parse(printed);
      if (name.startsWith("convert") && word === "exit 0") {
        await checkConverted(name, path, out, results.get("validate") === "exit 0");
      }
      remove(out);
      place.checkClean(["input"]);
    }
  } finally {
    remove(path);
    remove(out);
  }
  return agree(results);
}

/** The memory of what was made is that of the input, if that can be read both forward and in any order. */
async function checkConverted(
  name: string,
  path: string,
  out: string,
  isValid: boolean,
): Promise<void> {
  // A pipe takes sections that stand before a description without it.
  const before = await memoryLines(path, true);
  if (before === undefined) return;
  const after = await memoryLines(out, true);
  if (after === undefined) {
    // Sections of a damaged stream that nothing describes may end elsewhere when others are around them.
    if (!isValid) return;
    throw new Error(`${name} made something that can't be read`);
  }
  if (before.join("\n") !== after.join("\n")) throw new Error(`${name}: ${before} became ${after}`);
}

/** Fails where two commands contradict each other; the word is what `analyze` or the first of them gave. */
function agree(results: ReadonlyMap<string, string>): string {
  const valid = results.get("validate") ?? results.get("validate --json");
  const analyzed = results.get("analyze");
  const through = results.get("roundtrip");
  if (valid === "exit 0") {
    // A stream of version 2 is valid, and has no state to print.
    const isFine = analyzed === undefined || ["exit 0", "unsupported-version"].includes(analyzed);
    if (!isFine && !isOfDescription(analyzed)) {
      throw new Error(`valid, but analyze: ${analyzed}`);
    }
    if (through !== undefined && through !== "exit 0" && !isOfDescription(through)) {
      throw new Error(`valid, roundtrip: ${through}`);
    }
  }
  const extracted = results.get("extract");
  const loaded = results.get("search");
  if (extracted === "exit 0" && loaded !== undefined && !/^exit [01]$/.test(loaded)) {
    throw new Error(`extracted, but search: ${loaded}`);
  }
  return analyzed ?? [...results.values()][0] ?? "none";
}

/** QEMU doesn't read the description: what is wrong there makes no stream invalid. */
function isOfDescription(word: string): boolean {
  return ["bad-json", "bad-vmdescription", "truncated", "exit 2"].includes(word);
}

const ALL = Object.keys(COMMANDS);
const FEW = ["info", "analyze", "validate", "roundtrip", "extract", "search"];

function someCommands(random: Random): readonly string[] {
  return [...FEW, random.of(ALL), random.of(ALL)];
}

/** The targets by name. */
export const TARGETS: Readonly<Record<string, Target>> = {
  "reading": stream(60, small, (bytes, offset) => codecs.tryReading(bytes, offset)),
  "agreement": stream(40, small, codecs.tryAgreement),
  "memory": stream(40, small, codecs.tryMemory),
  "views": stream(20, small, codecs.tryViews),
  "pipe": stream(20, small, codecs.tryPipe),
  "whole": stream(1, whole, codecs.tryAgreement),
  "xbzrle": codec(200, deltas, codecs.tryXbzrle),
  "map": codec(100, maps, codecs.tryMap),
  "libvirt": codec(60, saves, codecs.tryLibvirt),
  "return-path": codec(
    100,
    () => channels().filter(({ name }) => name.includes("returnPath")),
    codecs.tryReturnPath,
  ),
  "multifd": codec(
    30,
    () => channels().filter(({ name }) => name.includes("multifd-")),
    codecs.tryMultifd,
  ),
  "json": {
    share: 10,
    make: damagedDescription,
    run: ({ bytes }) => codecs.tryJson(bytes),
  },
  "given": {
    share: 10,
    make: (random) => damagedDescription(random),
    run: ({ bytes }, random) => tryGiven(bytes, random.of(undescribed())),
  },
  "against": {
    share: 2,
    make: (random) =>
      random.below(3) === 0 ? damagedFile(destinations(), random) : damagedDescription(random),
    run: ({ bytes }, random, place) => tryAgainst(bytes, random.of(small()), place),
  },
  "pairs": {
    share: 3,
    make: (random) => ({ ...damagedStream(small(), random), offset: 0 }),
    run: ({ bytes }, random, place) => {
      const other = random.below(2) === 0 ? random.of(small()) : damagedStream(small(), random);
      return tryPair(bytes, other.bytes, random, place);
    },
  },
  "decompress": {
    share: 40,
    make: (random) => {
      const { bytes, compression } = random.of(compressed());
      const mutant = mutateBytes(bytes, random, random.of(compressed()).bytes);
      return { kind: `bytes: ${compression}`, bytes: mutant.bytes, offset: 0 };
    },
    run: ({ kind, bytes }) =>
      codecs.tryDecompressor(kind.replace("bytes: ", "") as Compression, bytes),
  },
  "commands": {
    share: 1,
    make: (random) => ({ ...damagedStream(small(), random), offset: 0 }),
    run: (input, random, place) => tryCommands(ALL, input, random, place),
  },
  "some commands": {
    share: 4,
    make: (random) => ({ ...damagedStream(small(), random), offset: 0 }),
    run: (input, random, place) => tryCommands(someCommands(random), input, random, place),
  },
  "wrapped": {
    share: 4,
    make: (random) => {
      const { name, wrap } = random.of(WRAPPERS);
      const inside = random.below(3) === 0
        ? random.of(small()).bytes
        : damagedStream(small(), random).bytes;
      const bytes = wrap(inside);
      const mutant = random.below(2) === 0 ? bytes : mutateBytes(bytes, random, bytes).bytes;
      return { kind: `wrapped: ${name}`, bytes: mutant, offset: 0 };
    },
    run: (input, random, place) => tryCommands(someCommands(random), input, random, place),
  },
  "containers": {
    share: 2,
    make: (random) => damagedFile(containers(), random),
    run: (input, random, place) => tryCommands(someCommands(random), input, random, place),
  },
  "captures": {
    share: 1,
    make: (random) => {
      const { main, others } = random.of(recorded());
      const damaged = random.below(others.length + 1);
      const changed = others.map(({ file, bytes }, index) => ({
        file,
        bytes: index === damaged
          ? mutateBytes(bytes, random, random.of(others).bytes).bytes
          : bytes,
      }));
      if (damaged < others.length) {
        return { kind: "capture: channel", bytes: main.bytes, offset: 0, others: changed };
      }
      const { bytes } = mutateStructure(main, random, main);
      return { kind: "capture: main", bytes, offset: 0, others: changed };
    },
    run: (input, random, place) => tryCommands(someCommands(random), input, random, place),
  },
  "large": {
    share: 0,
    make: (random) => ({ ...damagedStream(large(), random), offset: 0 }),
    run: (input, random, place) => tryCommands(someCommands(random), input, random, place),
  },
  "bombs": {
    share: 0,
    make: (random) => {
      const wrap = random.of([gzip, zstd]);
      const tail = new Uint8Array(random.below(40) << 20);
      const { bytes } = random.below(2) === 0 ? random.of(small()) : damagedStream(small(), random);
      const joined = new Uint8Array(bytes.length + tail.length);
      joined.set(bytes);
      return { kind: "zeros behind", bytes: wrap(joined), offset: 0 };
    },
    run: (input, random, place) => tryCommands(FEW, input, random, place),
  },
  "processes": {
    share: 0,
    make: (random) => ({ ...damagedStream(small(), random), offset: 0 }),
    run: ({ bytes }, random, place) => runProcess(bytes, random, place),
  },
};
