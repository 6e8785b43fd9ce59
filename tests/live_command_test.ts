/** `migstream capture` and `migstream send` as processes. */
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { type Address, addressText, parseAddress } from "../live/address.ts";
import type { CaptureDescription } from "../container/capture_folder.ts";
import { filesBelow, migstream, migstreamCommand, withFolder } from "./process.ts";
import { filesOf, loadStream } from "./testdata.ts";

const PERMISSIONS = ["-R", "-W", "-N"];
const PEER = decodeURIComponent(new URL("live_peer.ts", import.meta.url).pathname);

/** A process whose standard error, or output, is read as it comes. */
class Running {
  readonly child: Deno.ChildProcess;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(child: Deno.ChildProcess, from: "stdout" | "stderr") {
    this.child = child;
    this.#reader = child[from].pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Waits until it has printed something. */
  async until(words: string): Promise<void> {
    while (!this.#text.includes(words)) {
      const { done, value } = await this.#reader.read();
      if (done) throw new Error(`it ended with: ${this.#text}`);
      this.#text += value;
    }
  }

  /** Waits for its end, and returns the exit code and everything that it printed. */
  async end(): Promise<{ code: number; text: string }> {
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) break;
      this.#text += value;
    }
    return { code: (await this.child.status).code, text: this.#text };
  }
}

async function startCapture(...args: string[]): Promise<Running> {
  const child = migstreamCommand(["capture", ...args], PERMISSIONS).spawn();
  await child.stdin.close();
  await child.stdout.cancel();
  const running = new Running(child, "stderr");
  await running.until("listening on ");
  return running;
}

function startPeer(...args: string[]): Running {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", ...PERMISSIONS, PEER, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  return new Running(child, "stdout");
}

async function describe(folder: string): Promise<CaptureDescription> {
  return JSON.parse(await Deno.readTextFile(`${folder}/capture.json`));
}

const STREAM = loadStream("pc-stopped");

Deno.test("capture: a stream is kept, and described", async () => {
  await withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/stream`, STREAM);
    const [socket, out] = [`${folder}/socket`, `${folder}/out`];
    const capture = await startCapture("--listen", `unix:${socket}`, "--out", out);
    assertEquals((await startPeer("send", socket, `${folder}/stream`).end()).code, 0);
    const { code, text } = await capture.end();
    assertEquals([code, text], [0, `listening on unix:${socket}\n`]);
    assertEquals(filesBelow(folder), ["out/capture.json", "out/main.bin", "stream"]);
    assertEquals(await Deno.readFile(`${out}/main.bin`), STREAM);
    const { startedAt, endedAt, ...description } = await describe(out);
    assert(Date.parse(startedAt) <= Date.parse(endedAt));
    assertEquals(description, {
      format: "migstream-capture",
      version: 1,
      complete: true,
      problems: [],
      interrupted: false,
      emptyConnections: 0,
      files: [{
        file: "main.bin",
        role: "main",
        connection: 0,
        direction: "forward",
        bytes: STREAM.length,
        complete: true,
      }],
    });
    const { code: read } = await migstream(["info", out]);
    assertEquals(read, 0);
  });
});

for (const [signal, exitCode] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test(`capture: ${signal} keeps what came, marked as incomplete`, async () => {
    await withFolder(async (folder) => {
      await Deno.writeFile(`${folder}/stream`, STREAM.subarray(0, 40_000));
      const [socket, out] = [`${folder}/socket`, `${folder}/out`];
      const capture = await startCapture("--listen", `unix:${socket}`, "--out", out);
      const peer = startPeer("send", socket, `${folder}/stream`, "hold");
      await peer.until("sent");
      // What was sent has to arrive.
      await new Promise((resolve) => setTimeout(resolve, 300));
      capture.child.kill(signal);
      const { code, text } = await capture.end();
      await peer.end();
      assertEquals(code, exitCode, text);
      assertEquals(await Deno.readFile(`${out}/main.bin`), STREAM.slice(0, 40_000));
      const { complete, interrupted, files } = await describe(out);
      assertEquals([complete, interrupted, files[0]?.complete], [false, true, false]);
      assertEquals(filesBelow(folder), ["out/capture.json", "out/main.bin", "stream"]);
    });
  });
}

Deno.test("capture: a signal before anything came leaves nothing", async () => {
  await withFolder(async (folder) => {
    const args = ["--listen", `unix:${folder}/socket`, "--out", `${folder}/out`];
    const capture = await startCapture(...args);
    capture.child.kill("SIGINT");
    const { code, text } = await capture.end();
    assertEquals(code, 130);
    assertStringIncludes(text, "nothing came");
    assertEquals(filesBelow(folder), []);
  });
});

Deno.test("capture: what is there is not replaced, unless it is a capture and --force is given", async () => {
  await withFolder(async (folder) => {
    const out = `${folder}/out`;
    await Deno.mkdir(out);
    for (const name of ["multifd-7.bin", "notes.txt"]) {
      await Deno.writeTextFile(`${out}/${name}`, "x");
    }
    await Deno.writeFile(`${folder}/stream`, STREAM);
    const socket = `${folder}/socket`;
    const args = ["--listen", `unix:${socket}`, "--out", out];
    const run = async (...more: string[]) =>
      await migstream(["capture", ...args, ...more], { permissions: PERMISSIONS });
    assertMatch((await run()).err, /is not empty/);
    assertMatch((await run("--force")).err, /no capture.json/);
    await Deno.writeTextFile(`${out}/capture.json`, "{}");
    const capture = await startCapture(...args, "--force");
    await startPeer("send", socket, `${folder}/stream`).end();
    assertEquals((await capture.end()).code, 0);
    // A channel of another migration would be taken for one of this.
    assertEquals(filesBelow(out), ["capture.json", "main.bin", "notes.txt"]);
  });
});

Deno.test("capture: an address that is taken, and permissions that are missing, are told of", async () => {
  await withFolder(async (folder) => {
    const socket = `${folder}/socket`;
    await Deno.writeTextFile(socket, "somebody's");
    const run = async (listen: string, permissions: string[]) =>
      await migstream(["capture", "--listen", listen, "--out", `${folder}/out`], { permissions });
    const taken = await run(`unix:${socket}`, PERMISSIONS);
    assertEquals(taken.code, 2);
    assertMatch(taken.err, /the path exists already\n$/);
    assertEquals(await Deno.readTextFile(socket), "somebody's");
    const noNet = await run("tcp:0", ["-R", "-W"]);
    assertEquals(noNet.code, 2);
    assertMatch(noNet.err, /--allow-net/);
    const noWrite = await run("tcp:0", ["-R", "-N"]);
    assertEquals(noWrite.code, 2);
    assertMatch(noWrite.err, /--allow-write/);
    assertEquals((await run("nowhere", PERMISSIONS)).code, 2);
  });
});

Deno.test("capture: too few channels are an incomplete capture", async () => {
  await withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/stream`, STREAM);
    const [socket, out] = [`${folder}/socket`, `${folder}/out`];
    const capture = await startCapture(
      ...["--listen", `unix:${socket}`, "--out", out, "--channels", "2"],
    );
    await startPeer("send", socket, `${folder}/stream`).end();
    const { code, text } = await capture.end();
    assertEquals(code, 2);
    assertMatch(text, /error: 0 multifd channels came, 2 were expected\n/);
    assertEquals((await describe(out)).complete, false);
  });
});

Deno.test("send: an image arrives as it is", async () => {
  await withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/stream`, STREAM);
    const socket = `${folder}/socket`;
    const peer = startPeer("receive", socket, `${folder}/received`);
    await peer.until("listening");
    const { code, out, err } = await migstream(["send", `${folder}/stream`, `unix:${socket}`], {
      permissions: PERMISSIONS,
    });
    assertEquals([code, err], [0, ""]);
    assertEquals(out, "49.1 KiB over one connection: the destination has read everything\n");
    assertEquals((await peer.end()).code, 0);
    assertEquals(await Deno.readFile(`${folder}/received`), STREAM);
  });
});

Deno.test("send: wrong options and addresses are told of", async () => {
  await withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/stream`, STREAM);
    const run = async (...args: string[]) => {
      const { code, err } = await migstream(["send", `${folder}/stream`, ...args], {
        permissions: PERMISSIONS,
      });
      assertEquals(code, 2, args.join(" "));
      return err;
    };
    const nobody = `unix:${folder}/nobody`;
    assertMatch(await run(nobody), /Cannot connect to unix:/);
    assertMatch(await run("somewhere"), /is no address/);
    assertMatch(await run(nobody, "--multifd", "0"), /1 to 255/);
    assertMatch(await run(nobody, "--compression", "zlib"), /go with --multifd/);
    assertMatch(await run(nobody, "--multifd", "2", "--level", "3"), /--level goes with/);
    assertMatch(
      await run(nobody, "--multifd", "2", "--compression", "zlib", "--level", "10"),
      /at most 9/,
    );
  });
});

Deno.test("addresses: read and written", () => {
  const addresses: readonly [string, Address, string?][] = [
    ["unix:some/a b", { transport: "unix", path: "some/a b" }],
    ["unix:tcp:1", { transport: "unix", path: "tcp:1" }],
    ["tcp:4444", { transport: "tcp", hostname: "127.0.0.1", port: 4444 }, "tcp:127.0.0.1:4444"],
    ["tcp::4444", { transport: "tcp", hostname: "127.0.0.1", port: 4444 }, "tcp:127.0.0.1:4444"],
    ["tcp:host:0", { transport: "tcp", hostname: "host", port: 0 }],
    ["tcp:[::1]:65535", { transport: "tcp", hostname: "::1", port: 65535 }],
  ];
  for (const [text, address, written = text] of addresses) {
    assertEquals(parseAddress(text), address);
    assertEquals(addressText(address), written);
  }
  for (const text of ["", "unix:", "tcp:", "tcp:host", "tcp:host:65536", "tcp:::1:4", "file:x"]) {
    assertThrows(() => parseAddress(text), Error, "is no address", text);
  }
});

Deno.test("capture: files of channels that came before are read as one migration", async () => {
  await withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/0`, loadStream("pc-multifd"));
    const channels = filesOf("pc-multifd", "multifd");
    const [socket, out] = [`${folder}/socket`, `${folder}/out`];
    const capture = await startCapture(
      ...["--listen", `unix:${socket}`, "--out", out, "--channels", "2"],
    );
    const peers = [startPeer("send", socket, `${folder}/0`)];
    for (const [index, file] of channels.entries()) {
      await Deno.writeFile(`${folder}/c${index}`, loadStream("pc-multifd", file));
      peers.push(startPeer("send", socket, `${folder}/c${index}`));
    }
    for (const peer of peers) await peer.end();
    const { code, text } = await capture.end();
    assertEquals(code, 0, text);
    const info = await migstream(["info", out]);
    assertEquals(info.code, 0, info.err);
    const { files } = await describe(out);
    assertEquals(files.map(({ file }) => file).sort(), [
      "main.bin",
      "multifd-0.bin",
      "multifd-1.bin",
    ]);
  });
});
