/**
 * Whatever ends a command early: no file has its final name before it is whole, nothing is left over that could be removed, and the input
 * stays as it is.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { readInfo } from "../analyze/info.ts";
import { buildImage } from "../analyze/image/build.ts";
import { saveImage } from "../analyze/image/save.ts";
import { FileSource } from "../container/file.ts";
import { UNFINISHED_SUFFIX } from "../container/output_file.ts";
import { FormatError } from "../format/error.ts";
import { StreamReader } from "../format/stream.ts";
import { filesBelow, migstream, migstreamCommand, withFolder } from "./process.ts";
import { loadStream } from "./testdata.ts";

const WRITE = ["-R", "-W"];
const MEMORY_BYTES = 256 << 20;

/** An image that takes long enough to be interrupted; all of its pages have content. */
async function saveLarge(path: string): Promise<void> {
  const content = [{
    address: 0,
    lengthBytes: MEMORY_BYTES,
    read: (address: number, into: Uint8Array) => into.fill(1 + (address >> 20) % 255),
  }];
  const blocks = [{ name: "m", sizeBytes: MEMORY_BYTES, content }];
  await saveImage(buildImage({ machine: "x", blocks }), path, { to: "mapped-ram", sync: false });
}

const WRITING: readonly (readonly string[])[] = [
  ["extract", "IN", "--out", "OUT"],
  ["extract", "IN", "--out", "OUT", "--sha256"],
  ["convert", "IN", "OUT", "--to", "stream"],
  ["convert", "IN", "OUT", "--to", "stream", "--compress", "gzip"],
  ["convert", "IN", "OUT", "--to", "mapped-ram"],
  ["convert", "IN", "OUT", "--to", "capture"],
  ["report", "IN", "--output", "OUT", "--slack"],
];

const placed = (args: readonly string[], folder: string) =>
  args.map((arg) => arg === "IN" ? `${folder}/in` : arg === "OUT" ? `${folder}/out` : arg);

/** A report is written when all of it is known: until then there is no file. */
const isReport = ([name]: readonly string[]) => name === "report";

/** Ends a command by a signal when it has begun to write and some time has passed; gives the exit code. */
async function ended(args: readonly string[], folder: string, signal: Deno.Signal, turn: number) {
  const child = migstreamCommand(placed(args, folder), WRITE).spawn();
  await child.stdin.close();
  let isOver = false;
  const output = child.output().finally(() => isOver = true);
  const begun = () =>
    isReport(args) || filesBelow(folder).some((name) => name.includes(UNFINISHED_SUFFIX));
  while (!begun() && !isOver) await new Promise((done) => setTimeout(done, 2));
  await new Promise((done) => setTimeout(done, isReport(args) ? 400 : turn * 15));
  if (!isOver) child.kill(signal);
  const { code, stderr } = await output;
  return { code, err: new TextDecoder().decode(stderr) };
}

Deno.test("crash safety: a signal leaves the whole result or nothing", async () => {
  await withFolder(async (folder) => {
    await saveLarge(`${folder}/in`);
    const { mtime, size } = Deno.statSync(`${folder}/in`);
    let interrupted = 0;
    for (const [turn, args] of WRITING.entries()) {
      const [signal, exitCode] = turn % 2 === 0
        ? ["SIGINT", 130] as const
        : ["SIGTERM", 143] as const;
      const { code, err } = await ended(args, folder, signal, turn);
      const files = filesBelow(folder);
      if (code === 0) assert(files.length > 1, `${args}`);
      else {
        interrupted += 1;
        assertEquals(code, exitCode, `${args}: ${err}`);
        assertEquals(files, ["in"], `${args}`);
        // Before there is anything to remove, signals have their usual effect.
        const said = `migstream: interrupted (${signal}): nothing was written\n`;
        if (!isReport(args) || err !== "") assertEquals(err, said, `${args}`);
      }
      if (files.length > 1) await Deno.remove(`${folder}/out`, { recursive: true });
    }
    assert(interrupted >= 4, `only ${interrupted} commands were interrupted`);
    const after = Deno.statSync(`${folder}/in`);
    assertEquals([after.mtime, after.size], [mtime, size]);
  });
});

Deno.test("crash safety: after SIGKILL only files with the unfinished ones' suffix are there", async () => {
  await withFolder(async (folder) => {
    await saveLarge(`${folder}/in`);
    for (const [turn, args] of WRITING.entries()) {
      const { code } = await ended(args, folder, "SIGKILL", turn);
      const files = filesBelow(folder).filter((name) => name !== "in");
      if (code !== 0) {
        assertEquals(code, 137);
        const finished = files.filter((name) => !name.endsWith(UNFINISHED_SUFFIX));
        assertEquals(finished, [], `${args}`);
      }
      for (const name of files) Deno.removeSync(`${folder}/${name}`);
      await Deno.remove(`${folder}/out`, { recursive: true }).catch(() => {});
    }
  });
});

/** Runs a command with a bound on the size of the files that it may write, in blocks of 512 or 1024 bytes. */
async function runBounded(args: readonly string[], blocks: number, input = "/dev/null") {
  const command = new Deno.Command("sh", {
    args: [
      "-c",
      `trap '' XFSZ; ulimit -f ${blocks} && input=$1 && shift && exec "$@" < "$input"`,
      "sh",
      input,
      Deno.execPath(),
      ...["run", "--quiet", "--no-prompt", ...WRITE],
      decodeURIComponent(new URL("../cli.ts", import.meta.url).pathname),
      ...args,
    ],
    cwd: new URL("../", import.meta.url),
    env: { NO_COLOR: "1" },
    stderr: "piped",
  });
  const { code, stderr } = await command.output();
  return { code, err: new TextDecoder().decode(stderr) };
}

Deno.test({
  name: "crash safety: a file that can't become longer is an error, and is removed",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await withFolder(async (folder) => {
      await saveLarge(`${folder}/in`);
      // The report is a small file of its own.
      for (const args of WRITING.filter((args) => !isReport(args))) {
        const blocks = args.includes("--compress") ? 64 : 65536;
        const { code, err } = await runBounded(placed(args, folder), blocks);
        assertEquals(code, 2, `${args}: ${err}`);
        assertMatch(err, /^migstream: Cannot write [^\n]*out[^\n]*\n$/);
        assertEquals(filesBelow(folder), ["in"], `${args}`);
      }
      const report = placed(["report", "IN", "--output", "OUT"], folder);
      const { code, err } = await runBounded(report, 8);
      assertEquals(code, 2, err);
      assertMatch(err, /^migstream: Cannot write [^\n]*out[^\n]*\n$/);
      assertEquals(filesBelow(folder), ["in"]);
    });
  },
});

Deno.test({
  name: "crash safety: a temporary file that can't become longer is an error, and is removed",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await withFolder(async (folder) => {
      await saveLarge(`${folder}/in`);
      const args = ["report", "-", "--output", `${folder}/out`];
      const { code, err } = await runBounded(args, 1024, `${folder}/in`);
      assertEquals(code, 2, err);
      const said = /^migstream: Cannot write the temporary file (\S+migstream-\S+\.tmp): [^\n]*\n$/;
      assertMatch(err, said);
      assertThrows(() => Deno.statSync(said.exec(err)![1]!), Deno.errors.NotFound);
      assertEquals(filesBelow(folder), ["in"]);
    });
  },
});

Deno.test({
  name: "crash safety: a signal does not come between files that get their names together",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const work = new URL("../cli/long_work.ts", import.meta.url);
    const script = `
      import { undisturbed } from "${work}";
      undisturbed(() => {
        Deno.kill(Deno.pid, "SIGTERM");
        Deno.kill(Deno.pid, "SIGINT");
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
        console.log("all");
      });
      await new Promise((done) => setTimeout(done, 50));
      console.log("done");
      Deno.kill(Deno.pid, "SIGTERM");
      await new Promise((done) => setTimeout(done, 10_000));
    `;
    const args = ["eval", "--quiet", script];
    const { code, stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
    assertEquals([code, new TextDecoder().decode(stdout)], [143, "all\ndone\n"]);
  },
});

Deno.test("crash safety: an input that shrinks while it is read is an error with its offset", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/in`;
    const stream = loadStream("pc");
    await Deno.writeFile(path, stream);
    using source = new FileSource(Deno.openSync(path), stream.length);
    const cut = 60_000;
    const read = () => {
      for (const _ of new StreamReader(source, { blockBytes: 4096 }).items()) {
        Deno.truncateSync(path, cut);
      }
    };
    const error = assertThrows(read, FormatError);
    assert(error.offset <= cut, error.describe());
    const input = {
      source,
      path,
      container: "none",
      streamOffset: 0,
      wrappers: [],
      channels: [],
      notes: [],
    };
    const info = readInfo(input as unknown as Parameters<typeof readInfo>[0], { keepGoing: true });
    assert(info.error !== undefined && info.error.offset <= cut);
  });
});

Deno.test("crash safety: a writer that goes in the middle is an error with its offset", async () => {
  const stream = loadStream("pc");
  const input = stream.subarray(0, 100_000);
  await withFolder(async (folder) => {
    for (const args of [["info"], ["roundtrip"], ["extract"], ["convert"]]) {
      const more = args[0] === "extract"
        ? ["-", "--out", `${folder}/out`]
        : args[0] === "convert"
        ? ["-", `${folder}/out`, "--to", "mapped-ram"]
        : ["-"];
      const { code, err } = await migstream([...args, ...more], { permissions: WRITE, input });
      assertEquals(code, 2, `${args}`);
      assertMatch(err, /^(migstream|error): [^\n]* at offset 100000 \(0x186a0\)[^\n]*\n$/);
      assertEquals(filesBelow(folder), []);
    }
  });
});

Deno.test("crash safety: commands on one image at a time give what each gives alone", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/in`;
    Deno.writeFileSync(path, loadStream("pc"));
    const commands = [["info", path], ["analyze", path], ["validate", path], ["roundtrip", path]];
    const alone = [];
    for (const args of commands) alone.push(await migstream(args));
    assertEquals(await Promise.all(commands.map((args) => migstream(args))), alone);
  });
});

Deno.test("crash safety: of two commands that write one output, what stands there is whole", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/in`;
    Deno.writeFileSync(path, loadStream("pc"));
    const forms = ["stream", "mapped-ram"];
    const whole = [];
    for (const to of forms) {
      await migstream(["convert", path, `${folder}/${to}`, "--to", to], { permissions: WRITE });
      whole.push(Deno.readFileSync(`${folder}/${to}`).toHex());
    }
    for (const force of [[], ["--force"]]) {
      const results = await Promise.all(
        forms.map((to) =>
          migstream(["convert", path, `${folder}/out`, "--to", to, ...force], {
            permissions: WRITE,
          })
        ),
      );
      assert(results.some(({ code }) => code === 0));
      for (const { code, err } of results) {
        if (code !== 0) assertMatch(err, /^migstream: [^\n]*exists already[^\n]*\n$/);
      }
      assert(whole.includes(Deno.readFileSync(`${folder}/out`).toHex()));
      assertEquals(filesBelow(folder), ["in", "mapped-ram", "out", "stream"]);
    }
  });
});
