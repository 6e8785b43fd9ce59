/** What is sent to a destination: images as they are, and migrations that are made anew. */
import { Buffer } from "node:buffer";
import { assert, assertEquals, assertGreater, assertMatch, assertRejects } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { readGuestMemory } from "../analyze/memory/open_memory.ts";
import { openInput } from "../container/open.ts";
import { FormatError } from "../format/error.ts";
import { BytesSource } from "../format/source.ts";
import { StreamReader } from "../format/stream.ts";
import { messageBytes } from "../live/answers.ts";
import type { OutgoingChannel, Piece } from "../analyze/image/pieces.ts";
import { type PreparedMigration, prepareMigration, type PrepareOptions } from "../live/prepare.ts";
import { marksOfMachine } from "../analyze/image/main_channel.ts";
import { sendMigration, type SendOptions, type SentMigration } from "../live/send.ts";
import { connectionPair, type Peer } from "./live_peers.ts";
import { withFolder } from "./process.ts";
import { mappedStream, StreamBuilder } from "./streams.ts";
import { caseNames, filesOf, loadCase, loadStream, withTempFile } from "./testdata.ts";

/** A channel of given pieces. */
function channelOf(name: string, ...pieces: readonly Piece[]): OutgoingChannel {
  return { name, pieces };
}

const piece = (length: number, what: string): Piece => ({
  bytes: new Uint8Array(length).fill(length),
  what,
});

/** Sends, while `play` plays the destination, which gets its sides of the connections as they are made. */
async function send(
  channels: readonly OutgoingChannel[],
  play: (destination: Peer[]) => Promise<void>,
  options: Partial<SendOptions> = {},
): Promise<SentMigration> {
  const peers: Peer[] = [];
  const connect = () => {
    const [near, far] = connectionPair();
    peers.push(far);
    return Promise.resolve(near);
  };
  const sent = sendMigration({ channels, connect, ...options });
  while (peers.length < channels.length) await new Promise((resolve) => setTimeout(resolve, 1));
  await play(peers);
  return await sent;
}

Deno.test("send: no connection waits for another", async () => {
  for (const order of [[0, 1, 2], [2, 1, 0], [1, 2, 0]]) {
    const lengths = [50_000, 80_000, 20_000];
    const channels = lengths.map((length, index) => channelOf(`${index}`, piece(length, "x")));
    const { channels: sent, end } = await send(channels, async (peers) => {
      // Reads one connection to its end before it looks at the next.
      for (const index of order) {
        assertEquals((await peers[index]!.readAll()).length, lengths[index]);
      }
      for (const peer of peers) peer.closeWrite();
    });
    assertEquals(sent.map(({ sentBytes }) => sentBytes), lengths);
    assertEquals(end, "closed");
  }
});

Deno.test("send: what the destination says is kept", async () => {
  const { returnPath } = await send([channelOf("main", piece(10, "x"))], async ([peer]) => {
    await peer!.readAll();
    await peer!.writeAll(messageBytes({ name: "PONG", value: 1 }, { name: "SHUT", value: 5 }));
    peer!.close();
  });
  assertEquals([returnPath.messages, returnPath.shut], [{ PONG: 1, SHUT: 1 }, 5]);
});

Deno.test("send: a destination that goes away is told of, and ends all connections", async () => {
  const pieces = [piece(3000, "configuration"), piece(40_000, 'section 3 "ram"')];
  const channels = [channelOf("main", ...pieces), channelOf("other", piece(90_000, "pages"))];
  const { channels: sent } = await send(channels, async ([main, other]) => {
    await main!.readExactly(10_000);
    main!.close();
    await assertRejects(async () => {
      for (;;) await other!.writeAll(new Uint8Array(1000));
    }, Deno.errors.BrokenPipe);
  });
  assertEquals(sent[0]?.refusedIn, 'section 3 "ram"');
  assertGreater(sent[0]?.sentBytes ?? 0, 10_000 - 1);
  assert((sent[1]?.sentBytes ?? 0) < 90_000);
});

Deno.test("send: a destination that takes nothing is given up", async () => {
  const channels = [channelOf("main", piece(100_000, "x"))];
  const { stalled } = await send(channels, () => Promise.resolve(), { patienceMs: 200 });
  assertEquals(stalled, true);
  const silent = await send([channelOf("main", piece(10, "x"))], async ([peer]) => {
    await peer!.readAll();
  }, { patienceMs: 200 });
  assertEquals([silent.stalled, silent.end], [true, "open"]);
});

Deno.test("send: an error in what is sent closes the connections", async () => {
  const pieces = {
    *[Symbol.iterator]() {
      yield piece(10, "x");
      throw new Error("the disk is gone");
    },
  };
  let received = new Uint8Array(0) as Uint8Array;
  const sent = send([{ name: "main", pieces }], async ([peer]) => {
    received = await peer!.readAll();
  });
  await assertRejects(() => sent, Error, "the disk is gone");
  assertEquals(received.length, 10);
});

/** The bytes of a channel. Pieces are valid only until the next one is taken. */
function bytesOf({ pieces }: OutgoingChannel): Uint8Array {
  return concat(Array.from(pieces, ({ bytes }) => bytes.slice()));
}

/** The channels of a migration, taken in turns, as connections would. */
function channelsInTurn({ channels }: PreparedMigration): Uint8Array[] {
  const parts = channels.map(() => [] as Uint8Array[]);
  const iterators = channels.map(({ pieces }) => pieces[Symbol.iterator]());
  for (let open = channels.length; open > 0;) {
    open = 0;
    for (const [index, iterator] of iterators.entries()) {
      const { done, value } = iterator.next();
      if (done === true) continue;
      parts[index]!.push(value.bytes.slice());
      open += 1;
    }
  }
  return parts.map((each) => concat(each));
}

async function prepare<T>(
  path: string,
  options: PrepareOptions,
  use: (prepared: PreparedMigration) => T | Promise<T>,
  offset = 0,
): Promise<T> {
  using input = await openInput(path, { seekable: true, offset });
  using prepared = await prepareMigration(input, options);
  return await use(prepared);
}

/** The memory of an input, block by block. */
async function memoryOf(path: string, offset = 0): Promise<Map<string, Uint8Array>> {
  using input = await openInput(path, { offset });
  using guest = await readGuestMemory(input);
  assertEquals(guest.missingChannels, undefined);
  return new Map(guest.memory.blocks.map((block) => {
    const bytes = new Uint8Array(block.usedLengthBytes);
    guest.memory.read(block, 0, bytes);
    return [block.name, bytes];
  }));
}

/** The sections that are not RAM, one behind the other. */
function devicesOf(bytes: Uint8Array): Uint8Array {
  const items = [...new StreamReader(new BytesSource(bytes)).items()];
  return concat(
    items.filter((item) => item.kind === "section" && item.section.idstr !== "ram")
      .map((item) => bytes.subarray(item.offset, item.offset + item.lengthBytes)),
  );
}

/** Cases whose memory is all in one file. */
const WHOLE = caseNames(({ files, capabilities, streamOffset }) =>
  files.length === 1 && !capabilities.includes("x-ignore-shared") && streamOffset === 0
);
/** Pages of so few bytes leave no room for multifd's mark among the flags. */
const SMALL_PAGES = ["avr-uno"];

Deno.test("send: a recorded stream goes as it is, unless it can't", async () => {
  for (const name of WHOLE) {
    const stream = loadStream(name);
    await withTempFile(stream, (path) =>
      prepare(path, {}, (prepared) => {
        if (loadCase(name).capabilities.includes("mapped-ram")) {
          assertMatch(prepared.notes.join(), /mapped-ram/, name);
          assertEquals(prepared.confirmed, true);
        } else {
          assertEquals(prepared.channels.length, 1);
          const sent = bytesOf(prepared.channels[0]!);
          assert(equal(sent, stream), name);
        }
      }));
  }
});

Deno.test("send: whatever is made anew has the same memory and the same devices", async () => {
  const settings = [["none", 1], ["zlib", 2], ["zstd", 3]] as const;
  for (const [index, name] of WHOLE.filter((each) => !SMALL_PAGES.includes(each)).entries()) {
    const stream = loadStream(name);
    await withFolder(async (folder) => {
      const path = `${folder}/stream.mig`;
      await Deno.writeFile(path, stream);

      const memory = await memoryOf(path);
      const [compression, channels] = settings[index % settings.length]!;
      const sent = await prepare(path, { multifd: { channels, compression } }, channelsInTurn);
      assertEquals(sent.length, channels + 1);
      const made = `${folder}/${compression}`;
      await Deno.mkdir(made);
      for (const [channel, bytes] of sent.entries()) {
        await Deno.writeFile(`${made}/${channel}.bin`, bytes);
      }
      const there = await memoryOf(made);
      assertEquals([...there.keys()], [...memory.keys()], name);
      for (const [block, bytes] of memory) {
        assert(equal(there.get(block)!, bytes), `${name}, ${compression}: ${block}`);
      }
      assert(equal(devicesOf(sent[0]!), devicesOf(stream)), `${name}, ${compression}: devices`);
    });
  }
});

/** Without the comparison that a failed `assertEquals` prints, which large arrays have no memory for. */
function equal(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

Deno.test("send: mapped-ram becomes a classic stream of the same memory", async () => {
  for (const stream of [mappedStream(), loadStream("pc-mapped")]) {
    await withFolder(async (folder) => {
      await Deno.writeFile(`${folder}/mapped`, stream);
      const sent = await prepare(`${folder}/mapped`, {}, channelsInTurn);
      assertEquals(sent.length, 1);
      await Deno.writeFile(`${folder}/classic`, sent[0]!);
      assertEquals(await memoryOf(`${folder}/classic`), await memoryOf(`${folder}/mapped`));
      const names = [...new StreamReader(new BytesSource(sent[0]!)).items()]
        .flatMap((item) => item.kind === "configuration" ? item.configuration.subsections : []);
      assertEquals(names, []);
    });
  }
});

Deno.test("send: a captured folder goes channel by channel", async () => {
  const files = ["pc-multifd", "pc-multifd-zstd"];
  for (const name of files) {
    await withFolder(async (folder) => {
      const channels = filesOf(name, "multifd").map((file) => loadStream(name, file));
      await Deno.writeFile(`${folder}/main.bin`, loadStream(name));
      for (const [index, bytes] of channels.entries()) {
        await Deno.writeFile(`${folder}/multifd-${index}.bin`, bytes);
      }
      await prepare(folder, {}, (prepared) => {
        const sent = prepared.channels.map(bytesOf);
        for (const [index, bytes] of [loadStream(name), ...channels].entries()) {
          assert(equal(sent[index]!, bytes), `${name}, channel ${index}`);
        }
      });
    });
  }
});

Deno.test("send: what is not whole is not sent", async () => {
  await withTempFile(loadStream("pc-multifd"), async (path) => {
    await assertRejects(() => prepare(path, {}, () => {}), Error, "give the folder");
    const multifd = { channels: 2, compression: "none" } as const;
    await assertRejects(() => prepare(path, { multifd }, () => {}), Error, "not whole");
  });
  await withTempFile(loadStream("pc-preempt"), async (path) => {
    await assertRejects(() => prepare(path, {}, () => {}), Error, "not whole");
  });
  await withTempFile(loadStream("pc-stopped").subarray(0, 20_000), async (path) => {
    await assertRejects(() => prepare(path, {}, () => {}), FormatError, "vmmouse");
  });
});

Deno.test("send: old machine types have a mark at the end of each section", () => {
  const kinds = ["pc-i440fx-8.0", "pc-q35-2.12", "pc-i440fx-8.1", "virt-11.1", "microvm"]
    .map(marksOfMachine);
  assertEquals(kinds, ["section", "section", "round", "round", "round"]);
  assertEquals(marksOfMachine(undefined), "round");
});

Deno.test("send: pages too small for a mark can't go over multifd", async () => {
  await withTempFile(loadStream("avr-uno"), async (path) => {
    const multifd = { channels: 2, compression: "none" } as const;
    await assertRejects(() => prepare(path, { multifd }, () => {}), Error, "256 bytes");
  });
});

Deno.test("send: a machine without memory has channels without pages", async () => {
  const stream = new StreamBuilder().configuration().eof().bytes();
  await withTempFile(stream, async (path) => {
    const multifd = { channels: 2, compression: "zlib" } as const;
    const sent = await prepare(path, { multifd }, channelsInTurn);
    assertEquals(sent.map(({ length }) => length > 0), [true, true, true]);
  });
});
