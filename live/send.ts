/**
 * Plays the source of a migration: connects to a QEMU that waits for one, and gives it what was prepared.
 *
 * All connections are served at the same time: at its marks, the destination reads none of the main channel before the others are as far,
 * and the other way round.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import { BytesSource } from "../format/source.ts";
import { checkReturnPath, type ReturnPathCheck } from "./check.ts";
import type { OutgoingChannel } from "../analyze/image/pieces.ts";
import { closeConnection, type Connection, endWriting, isGone, readAll } from "./pump.ts";

/** How a migration is sent. */
export interface SendOptions {
  /** Makes a connection to the destination. */
  readonly connect: () => Promise<Connection>;
  /** The connections; the first one is the main channel. */
  readonly channels: readonly OutgoingChannel[];
  /** Ends the sending early. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes that were sent on all connections. */
  readonly onProgress?: (sentBytes: number) => void;
  /** Milliseconds after which a destination that takes nothing, or does not come to its end, is given up. Default a minute. */
  readonly patienceMs?: number;
}

/** What became of a connection. */
export interface SentChannel {
  /** What it is. */
  readonly name: string;
  /** Bytes that the destination's system took. The destination itself may have read fewer. */
  readonly sentBytes: number;
  /** What was being sent when the destination closed the connection; `undefined` if everything was sent. */
  readonly refusedIn: string | undefined;
}

/** What became of a migration. */
export interface SentMigration {
  /** The connections. */
  readonly channels: readonly SentChannel[];
  /** What the destination said on the main connection. */
  readonly returnPath: ReturnPathCheck;
  /** How the destination ended the main connection; `open` if it never did. */
  readonly end: "closed" | "reset" | "open";
  /** Whether the destination took nothing for too long. */
  readonly stalled: boolean;
}

const PATIENCE_MS = 60_000;
/** Milliseconds between two looks at what is going on. */
const TICK_MS = 50;
/** Most bytes of the return path that are kept; a destination that says more than that asks for pages. */
const ANSWER_MAX_BYTES = 1 << 20;

/** A connection while it is served. */
interface Line {
  readonly name: string;
  readonly connection: Connection;
  sentBytes: number;
  what: string;
  refusedIn: string | undefined;
  answers: Uint8Array[];
  end: SentMigration["end"];
}

/** Sends a migration. */
export async function sendMigration(options: SendOptions): Promise<SentMigration> {
  const lines: Line[] = [];
  const tasks: Promise<void>[] = [];
  const reads: Promise<void>[] = [];
  const close = () => lines.forEach(({ connection }) => closeConnection(connection));
  const watch = new Watch(options, lines, close);
  try {
    for (const channel of options.channels) {
      const connection = await options.connect();
      const { name } = channel;
      const line: Line = {
        name,
        connection,
        sentBytes: 0,
        what: "the beginning",
        refusedIn: undefined,
        answers: [],
        end: "open",
      };
      lines.push(line);
      reads.push(listen(line));
      tasks.push(pump(line, channel, close));
      // An error is looked at when all connections are there.
      for (const promise of [reads.at(-1), tasks.at(-1)]) promise?.catch(() => {});
    }
    await Promise.all(tasks);
    // The destination closes the main connection when it has loaded the guest, or has failed to.
    await Promise.race([reads[0], watch.gaveUp]);
  } finally {
    watch.stop();
    close();
    await Promise.allSettled([...tasks, ...reads]);
  }
  return {
    channels: lines.map(({ name, sentBytes, refusedIn }) => ({ name, sentBytes, refusedIn })),
    returnPath: checkReturnPath(new BytesSource(concat(lines[0]?.answers ?? []))),
    end: watch.isStalled ? "open" : lines[0]?.end ?? "open",
    stalled: watch.isStalled,
  };
}

/** Sends the pieces of one connection. */
async function pump(line: Line, { pieces }: OutgoingChannel, close: () => void): Promise<void> {
  for (const { bytes, what } of pieces) {
    line.what = what;
    try {
      for (let done = 0; done < bytes.length;) {
        const count = await line.connection.write(bytes.subarray(done));
        done += count;
        line.sentBytes += count;
      }
    } catch (error) {
      if (!isGone(error)) throw error;
      line.refusedIn = what;
      // Nothing good comes of the others then.
      return close();
    }
  }
  await endWriting(line.connection);
}

/** Reads what the destination says, of which the beginning is kept. */
async function listen(line: Line): Promise<void> {
  let keptBytes = 0;
  line.end = await readAll(line.connection, (bytes) => {
    const kept = bytes.slice(0, ANSWER_MAX_BYTES - keptBytes);
    keptBytes += kept.length;
    line.answers.push(kept);
  });
}

/** Looks at what is going on now and then, and ends what goes on no more. */
class Watch {
  /** Resolved when the destination is given up. */
  readonly gaveUp: Promise<void>;
  isStalled = false;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(options: SendOptions, lines: readonly Line[], close: () => void) {
    const { signal, onProgress, patienceMs = PATIENCE_MS } = options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gaveUp = promise;
    let sentBytes = 0;
    let movedMs = performance.now();
    this.#timer = setInterval(() => {
      const sum = lines.reduce((total, line) => total + line.sentBytes, 0);
      if (sum !== sentBytes) movedMs = performance.now();
      sentBytes = sum;
      onProgress?.(sum);
      this.isStalled ||= performance.now() - movedMs > patienceMs;
      if (!this.isStalled && signal?.aborted !== true) return;
      close();
      resolve();
    }, TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
