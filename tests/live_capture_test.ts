/** Captures: what a source and a destination in memory say to each other is recorded byte for byte. */
import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
  assertRejects,
} from "@std/assert";
import fc from "fast-check";
import { OutputFolder } from "../container/output_folder.ts";
import { messageBytes } from "../live/answers.ts";
import { captureMigration, type RecordedMigration } from "../live/capture.ts";
import { checkRecordings } from "../live/check.ts";
import { connectionPair, MemoryListener, type Peer } from "./live_peers.ts";
import { withFolder } from "./process.ts";
import { emptyPart } from "./streams.ts";
import { filesOf, loadStream } from "./testdata.ts";

const MAIN = loadStream("pc-multifd");
const CHANNELS = filesOf("pc-multifd", "multifd").map((file) => loadStream("pc-multifd", file));

/** What became of a capture. */
interface Captured extends RecordedMigration {
  /** Why it is no whole migration. */
  readonly problems: readonly string[];
  /** Where its files are. */
  readonly folder: string;
}

/** Runs a capture while `play` plays the source; then hands out what became of it. */
async function capture(
  play: (listener: MemoryListener) => Promise<void>,
  use: (captured: Captured) => Promise<void> | void,
  options: {
    connect?: () => Promise<Peer>;
    signal?: AbortSignal;
    roomBytes?: number;
    channels?: number | undefined;
  } = {},
): Promise<void> {
  const { roomBytes = 4096, channels, ...more } = options;
  await withFolder(async (path) => {
    using folder = new OutputFolder(path, { sync: false });
    const listener = new MemoryListener(roomBytes);
    const captured = captureMigration({ listener, folder, ...more });
    await play(listener);
    const recorded = await captured;
    const { problems } = await checkRecordings(recorded.recordings, channels);
    folder.commit();
    await use({ ...recorded, problems, folder: path });
  });
}

/** Sends bytes on a connection of its own, in pieces, and closes it. */
async function sendOn(peer: Peer, bytes: Uint8Array, pieceBytes: number): Promise<void> {
  await peer.writeAll(bytes, pieceBytes);
  peer.closeWrite();
}

Deno.test("capture: channels are recorded byte for byte, however they are cut and in whatever order they come", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 3, maxLength: 3 }),
      fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
      async (pieces, order) => {
        const all = [MAIN, ...CHANNELS];
        await capture(async (listener) => {
          await Promise.all(
            order.map((index) => sendOn(listener.connect(), all[index]!, pieces[index]! + 20)),
          );
        }, async ({ failure, folder, problems }) => {
          assertEquals([failure, problems], [undefined, []]);
          const names = ["main.bin", "multifd-0.bin", "multifd-1.bin"];
          for (const [index, name] of names.entries()) {
            assertEquals(await Deno.readFile(`${folder}/${name}`), all[index], name);
          }
        }, { channels: 2 });
      },
    ),
    { numRuns: 15 },
  );
});

Deno.test("capture: a source with a return path gets what it waits for", async () => {
  const stream = loadStream("pc-returnpath");
  await capture(async (listener) => {
    const source = listener.connect();
    await source.writeAll(stream.subarray(0, 2000));
    const first = messageBytes({ name: "PONG", value: 1 });
    assertEquals(await source.readExactly(first.length), first);
    // It is silent, but not at its end.
    const last = source.readExactly(8);
    const early = await Promise.race([
      last,
      new Promise((resolve) => setTimeout(() => resolve("nothing"), 400)),
    ]);
    assertEquals(early, "nothing");
    await source.writeAll(stream.subarray(2000));
    assertEquals(await last, messageBytes({ name: "SHUT", value: 0 }));
    source.closeWrite();
  }, async ({ folder, problems }) => {
    assertEquals(await Deno.readFile(`${folder}/main.bin`), stream);
    assertEquals(problems, []);
  });
});

Deno.test("capture: a source that sends nothing again and again gets leave to stop its guest", async () => {
  const stream = loadStream("pc-returnpath");
  await capture(async (listener) => {
    const source = listener.connect();
    await source.writeAll(stream.subarray(0, 2000));
    const pong = messageBytes({ name: "PONG", value: 1 });
    assertEquals(await source.readExactly(pong.length), pong);
    for (let round = 0; round < 6; round++) await source.writeAll(emptyPart());
    const leave = messageBytes({ name: "SWITCHOVER_ACK" });
    assertEquals(await source.readExactly(leave.length), leave);
    for (let round = 0; round < 6; round++) await source.writeAll(emptyPart());
    source.closeWrite();
    // Once is enough: what is left is at most the refusal of half a stream.
    const rest = (await source.readAll()).toHex();
    assert(!rest.includes(leave.toHex()), rest);
  }, ({ problems }) => {
    assert(problems.length > 0, "that was no whole stream");
    return Promise.resolve();
  });
});

Deno.test("capture: what comes from either side is passed on and recorded, and so is its end", async () => {
  const [answer, half] = [messageBytes({ name: "PONG", value: 7 }), MAIN.length >> 1];
  const destinations: Peer[] = [];
  const connect = () => {
    const [near, far] = connectionPair();
    destinations.push(far);
    return Promise.resolve(near);
  };
  await capture(async (listener) => {
    const source = listener.connect();
    const sent = source.writeAll(MAIN);
    while (destinations.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    const destination = destinations[0]!;
    assertEquals(await destination.readExactly(half), MAIN.subarray(0, half));
    await destination.writeAll(answer);
    assertEquals(await source.readExactly(answer.length), answer);
    assertEquals(await destination.readExactly(MAIN.length - half), MAIN.subarray(half));
    await sent;
    source.closeWrite();
    // Only one direction has ended.
    assertEquals((await destination.readAll()).length, 0);
    await destination.writeAll(answer);
    assertEquals(await source.readExactly(answer.length), answer);
    destination.closeWrite();
    assertEquals((await source.readAll()).length, 0);
  }, async ({ folder }) => {
    assertEquals(await Deno.readFile(`${folder}/main.bin`), MAIN);
    const back = await Deno.readFile(`${folder}/main.return.bin`);
    assertEquals(back, new Uint8Array([...answer, ...answer]));
  }, { connect });
});

Deno.test("capture: a destination that takes nothing holds the source back", async () => {
  const stream = new Uint8Array(3_000_000);
  stream.set(MAIN.subarray(0, 8));
  const [near, far] = connectionPair(1000);
  const roomBytes = 10_000;
  await capture(async (listener) => {
    const source = listener.connect();
    let taken = 0;
    const sent = (async () => {
      while (taken < stream.length) taken += await source.write(stream.subarray(taken));
    })();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const held = taken;
    await new Promise((resolve) => setTimeout(resolve, 100));
    assertEquals(taken, held);
    assertLess(taken, 300_000);
    assertEquals((await far.readExactly(stream.length)).length, stream.length);
    await sent;
    source.closeWrite();
    far.closeWrite();
  }, async ({ folder }) => {
    assertEquals((await Deno.stat(`${folder}/main.bin`)).size, stream.length);
  }, { connect: () => Promise.resolve(near), roomBytes });
});

Deno.test("capture: a destination that goes away ends the source's connection", async () => {
  const [near, far] = connectionPair();
  await capture(async (listener) => {
    const source = listener.connect();
    await source.writeAll(MAIN.subarray(0, 5000));
    far.close();
    await assertRejects(() => source.writeAll(MAIN), Deno.errors.BrokenPipe);
  }, ({ recordings, problems }) => {
    assertGreater(recordings[0]!.refusedAtBytes ?? 0, 0);
    assertMatch(problems.join(), /truncated/);
  }, { connect: () => Promise.resolve(near) });
});

Deno.test("capture: a destination that is not there ends everything", async () => {
  const connect = () => Promise.reject(new Error("nobody answers"));
  await capture(async (listener) => {
    const source = listener.connect();
    await assertRejects(() => source.writeAll(MAIN), Deno.errors.BrokenPipe);
  }, ({ failure }) => {
    assertMatch(String(failure), /nobody answers/);
  }, { connect });
});

Deno.test("capture: an interruption keeps what came", async () => {
  const controller = new AbortController();
  await capture(async (listener) => {
    const source = listener.connect();
    await source.writeAll(MAIN.subarray(0, 30_000));
    controller.abort();
    await assertRejects(async () => {
      for (;;) {
        await source.writeAll(new Uint8Array(1000));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }, Deno.errors.BrokenPipe);
  }, async ({ recordings, interrupted, problems, folder }) => {
    assertEquals([interrupted, recordings[0]?.ended], [true, "cut"]);
    const kept = await Deno.readFile(`${folder}/main.bin`);
    assertGreater(kept.length, 30_000 - 1);
    assertEquals(kept.subarray(0, 30_000), MAIN.subarray(0, 30_000));
    assertGreater(problems.length, 0);
  }, { signal: controller.signal });
});

Deno.test("capture: before anything came, an interruption leaves nothing", async () => {
  const controller = new AbortController();
  await capture(() => Promise.resolve(controller.abort()), ({ recordings, folder, problems }) => {
    assertEquals(recordings, []);
    assertEquals([...Deno.readDirSync(folder)], []);
    assertEquals(problems, ["no connection is the main channel"]);
  }, { signal: controller.signal });
});

Deno.test("capture: who closes at once is not waited for, and does not end the capture", async () => {
  await capture(async (listener) => {
    listener.connect().close();
    listener.connect().closeWrite();
    await new Promise((resolve) => setTimeout(resolve, 150));
    await sendOn(listener.connect(), MAIN, 5000);
  }, ({ recordings, folder }) => {
    assertEquals(recordings.map(({ kind }) => kind?.role), [undefined, undefined, "main"]);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["main.bin"]);
  });
});

Deno.test("capture: garbage alone is an error", async () => {
  for (
    const [start, words] of [["\x16\x03\x01\x02\x00", /TLS/], [
      "GET / HTTP/1.1",
      /47 45 54/,
    ]] as const
  ) {
    const bytes = Uint8Array.from(start, (character) => character.charCodeAt(0));
    await capture(async (listener) => {
      const peer = listener.connect();
      await peer.writeAll(bytes);
      await assertRejects(() => peer.writeAll(new Uint8Array(100_000)), Deno.errors.BrokenPipe);
    }, ({ failure }) => {
      assertMatch(String(failure), words);
    });
  }
});

Deno.test("capture: garbage beside a migration is refused, and the migration goes on", async () => {
  await capture(async (listener) => {
    const source = listener.connect();
    await source.writeAll(MAIN.subarray(0, 10_000));
    const stranger = listener.connect();
    await stranger.writeAll(new TextEncoder().encode("hello"));
    await assertRejects(() => stranger.writeAll(new Uint8Array(100_000)), Deno.errors.BrokenPipe);
    await sendOn(source, MAIN.subarray(10_000), 5000);
  }, async ({ recordings, failure, folder }) => {
    assertEquals(failure, undefined);
    assertEquals(recordings.map(({ kind, ended }) => [kind?.role, ended]), [
      ["main", "closed"],
      ["unknown", "cut"],
    ]);
    assertEquals(await Deno.readFile(`${folder}/main.bin`), MAIN);
  });
});

Deno.test("capture: a folder that can't be written tells the source that its guest is not safe", async () => {
  await withFolder(async (path) => {
    await Deno.writeTextFile(`${path}/file`, "");
    using folder = new OutputFolder(`${path}/file/below`, { sync: false });
    const listener = new MemoryListener();
    const captured = captureMigration({ listener, folder });
    const source = listener.connect();
    await source.writeAll(MAIN.subarray(0, 100));
    const { failure } = await captured;
    assertMatch(String(failure), /director/i);
    await assertRejects(() => source.writeAll(MAIN), Deno.errors.BrokenPipe);
  });
});

Deno.test("capture: what is missing is told", async () => {
  const cases: readonly [string, readonly Uint8Array[], number | undefined, RegExp][] = [
    ["no channel", [MAIN], undefined, /none of them came/],
    ["one of two", [MAIN, CHANNELS[0]!], 2, /1 multifd channel came, 2 were expected/],
    ["the second alone", [MAIN, CHANNELS[1]!], undefined, /is missing/],
    ["the same twice", [MAIN, CHANNELS[0]!, CHANNELS[0]!], undefined, /the same number/],
    ["a cut channel", [MAIN, CHANNELS[0]!, CHANNELS[1]!.subarray(0, -1)], 2, /truncated/],
    ["a lost mark", [MAIN, CHANNELS[0]!, CHANNELS[1]!.subarray(0, -1344)], 2, /numbers of marks/],
    ["a cut stream", [MAIN.subarray(0, -100), ...CHANNELS], 2, /connection 0: /],
    ["two streams", [MAIN, MAIN, ...CHANNELS], 2, /second main/],
  ];
  for (const [what, connections, expected, words] of cases) {
    await capture(async (listener) => {
      await Promise.all(connections.map((bytes) => sendOn(listener.connect(), bytes, 4096)));
    }, ({ problems }) => {
      assertMatch(problems.join("; "), words, what);
    }, { channels: expected });
  }
});
