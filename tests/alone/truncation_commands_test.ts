/**
 * Inputs that end too early, in every command: an answer, or an error that says so.
 */
import { assert, assertEquals } from "@std/assert";
import { COMMANDS, remove, runCommand, Workplace } from "../../fuzz/commands.ts";
import { dissect } from "../../fuzz/dissect.ts";
import { containerFiles, smallStreams, WRAPPERS } from "../../fuzz/seeds.ts";
import { mappedStream, postcopyStream } from "../streams.ts";
import { caseNames, loadCase, loadStream } from "../testdata.ts";

/** Commands that don't have to come to the end: one explains a byte, one shows damage. */
const PARTIAL = ["layout --at", "report"];

/**
 * Runs commands on an input that was cut at each of the lengths, and gives what they said. What is cut before `neededBytes` can't be
 * done.
 */
async function tryCuts(
  bytes: Uint8Array,
  lengths: Iterable<number>,
  names: readonly string[],
  neededBytes = 0,
): Promise<Set<string>> {
  const seen = new Set<string>();
  using place = new Workplace();
  const [path, out] = [`${place.folder}/input`, `${place.folder}/out`];
  for (const length of lengths) {
    Deno.writeFileSync(path, bytes.subarray(0, length));
    for (const name of names) {
      const { word } = await runCommand(name, path, out, length, Math.floor(length / 2));
      const isDone = word === "exit 0" && length < neededBytes && !PARTIAL.includes(name);
      assert(!isDone, `${name}, ${length} of ${bytes.length} bytes: ${word}`);
      seen.add(word);
      remove(out);
      place.checkClean(["input"]);
    }
  }
  return seen;
}

const ALL = Object.keys(COMMANDS);

/**
 * Bytes up to the end of a stream: what is behind it is a description that no QEMU needs. 0 for a stream without footers: where its
 * sections end without a description is a guess.
 */
function streamBytes(bytes: Uint8Array, offset = 0): number {
  const { parts } = dissect("whole", bytes, offset);
  if (parts.every(({ kind }) => kind !== "footer")) return 0;
  const end = parts.findIndex(({ kind, depth }) => kind === "eof" && depth === 0);
  return parts.slice(0, end + 1).reduce((sum, part) => sum + part.bytes.length, 0);
}

function everyPrefix(bytes: Uint8Array): number[] {
  return Array.from({ length: bytes.length }, (_, length) => length);
}

const SMALL: Readonly<Record<string, () => Uint8Array>> = {
  "the empty machine": () => loadStream("none"),
  "postcopy": postcopyStream,
};

for (const [name, make] of Object.entries(SMALL)) {
  Deno.test(`truncation: every prefix of ${name} in commands that take turns`, async () => {
    const bytes = make();
    // All commands at all lengths are many minutes: each length has a few of them, another time others.
    const turns = 5;
    for (let turn = 0; turn < turns; turn++) {
      const lengths = everyPrefix(bytes).filter((length) => length % turns === turn);
      const names = ALL.filter((_, index) => index % turns === turn);
      const seen = await tryCuts(bytes, lengths, names, streamBytes(bytes));
      assert(seen.has("truncated") || seen.has("exit 2"));
    }
  });

  Deno.test(`truncation: every prefix of ${name} is read or refused`, async () => {
    const bytes = make();
    const seen = await tryCuts(
      bytes,
      everyPrefix(bytes),
      ["analyze", "validate"],
      streamBytes(bytes),
    );
    assert(seen.has("truncated"));
    assert(seen.has("exit 1"));
  });
}

/** Lengths around the borders of a stream's parts, no more than `most`. */
function borders(bytes: Uint8Array, offset: number, most: number): number[] {
  const { parts } = dissect("cut", bytes, offset);
  let at = 0;
  const lengths = parts.flatMap((part) => {
    at += part.bytes.length;
    return [at - 1, at, at + 3].filter((length) => length < bytes.length);
  });
  const step = Math.max(1, Math.ceil(lengths.length / most));
  return lengths.filter((_, index) => index % step === 0);
}

for (const name of caseNames(({ files }) => files.every(({ role }) => role === "stream"))) {
  const bytes = loadStream(name);
  if (bytes.length > 500_000) continue;
  Deno.test(`truncation: ${name} at borders of its structure`, async () => {
    const { streamOffset } = loadCase(name);
    const needed = streamBytes(bytes, streamOffset);
    const lengths = borders(bytes, streamOffset, 10);
    for (const [index, length] of lengths.entries()) {
      const names = [0, 8, 16].map((skip) => ALL[(index + skip) % ALL.length]!);
      await tryCuts(bytes, [length], names, needed);
    }
  });
}

Deno.test("truncation: mapped-ram at borders of its structure in all commands", async () => {
  const bytes = mappedStream();
  await tryCuts(bytes, borders(bytes, 0, 40), ALL, streamBytes(bytes));
});

Deno.test("truncation: wrapped streams and containers", async () => {
  const stream = smallStreams()[3]!.bytes;
  for (const [index, { wrap }] of WRAPPERS.entries()) {
    const bytes = wrap(stream);
    const lengths = [0, 1, 5, 20, 90, 100, 200, 500].map((length) => length + index * 7)
      .concat([0.3, 0.5, 0.9].map((part) => Math.floor(bytes.length * part)), bytes.length - 1)
      .filter((length) => length < bytes.length);
    await tryCuts(bytes, lengths, ["info", "analyze", "validate", "extract"]);
  }
  for (const { bytes } of containerFiles()) {
    const lengths = [3, Math.floor(bytes.length / 2), bytes.length - 1];
    await tryCuts(bytes, lengths, ["info", "validate"]);
  }
});

Deno.test("truncation: whole inputs of the same kinds are taken", async () => {
  using place = new Workplace();
  const path = `${place.folder}/input`;
  for (const { wrap } of WRAPPERS.filter(({ name }) => !name.includes("2"))) {
    Deno.writeFileSync(path, wrap(loadStream("none")));
    const { word } = await runCommand("validate", path, `${place.folder}/out`, 1, 0);
    assertEquals(word, "exit 0");
  }
});
