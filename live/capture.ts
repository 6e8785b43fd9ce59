/**
 * Records a migration: plays its destination, or stands between the source and a real destination.
 *
 * ```text
 * source ---> capture                 answers what the source waits for
 * source ---> capture ---> destination    passes everything on, in both directions
 * ```
 *
 * A connection's bytes are written as they come. Nothing is read from a peer before the bytes that came before have been written and
 * passed on, so a slow disk or destination slows the source down as it would without a capture.
 *
 * @module
 */

import type { OutputFolder } from "../container/output_folder.ts";
import type { MigrationListener } from "./address.ts";
import {
  firstAnswers,
  messageBytes,
  PackageWatch,
  readStreamHead,
  seemsEnded,
  seemsToWait,
} from "./answers.ts";
import { closeConnection, type Connection, endWriting, readAll, writeAll } from "./pump.ts";
import { Recording } from "./recording.ts";

/** How a migration is recorded. */
export interface CaptureOptions {
  /** Where the source's connections come from. It is closed in the end. */
  readonly listener: MigrationListener;
  /** Makes a connection to the real destination, if there is one. */
  readonly connect?: (() => Promise<Connection>) | undefined;
  /** Where the files go. They have no names before the folder is committed. */
  readonly folder: OutputFolder;
  /** How many multifd channels have to come; the main channel may end before the last of them is there. */
  readonly multifdChannels?: number | undefined;
  /** Ends the capture early; what came until then stays. */
  readonly signal?: AbortSignal | undefined;
  /** Called with what deserves attention at once. */
  readonly onNote?: (text: string) => void;
  /** Called now and then. */
  readonly onProgress?: (recordings: readonly Recording[]) => void;
}

/** What was recorded. */
export interface RecordedMigration {
  /** The connections in the order in which they came. */
  readonly recordings: readonly Recording[];
  /** Whether the capture was ended from outside. */
  readonly interrupted: boolean;
  /** Why it could not go on, if so: the destination could not be reached, a disk is full... */
  readonly failure: unknown;
}

/** One main channel, 255 of multifd, one of preempt, and some that are tried again. */
const MAX_CONNECTIONS = 512;
/** Milliseconds between two looks at what is going on. */
const TICK_MS = 50;
/** Milliseconds of silence after which connections that stay open behind the main channel's end are cut, and missing ones given up. */
const GRACE_MS = 5000;
/** Milliseconds without any connection after which a migration without main channel is over. */
const LOST_MS = 3000;

/** Records a migration to its end. */
export async function captureMigration(options: CaptureOptions): Promise<RecordedMigration> {
  const { signal } = options;
  using listener = options.listener;
  const session = new Session(options);
  const accepting = session.accept(() => listener.accept());
  await session.finished();
  listener[Symbol.dispose]();
  await accepting;
  await session.closed();
  const { recordings, failure } = session;
  return { recordings, interrupted: signal?.aborted ?? false, failure };
}

/** A connection that is open. */
interface Link {
  readonly recording: Recording;
  readonly source: Connection;
  destination: Connection | undefined;
  /** When the last bytes came, in milliseconds. */
  lastMs: number;
  /** Whether SHUT was sent. */
  shut: boolean;
  /** Whether SWITCHOVER_ACK was sent. */
  acknowledged: boolean;
  /** Waits for the package of postcopy, if one may come. */
  package: PackageWatch | undefined;
  /** Beginning of a main channel, until it is understood. */
  head: Uint8Array | undefined;
  returnPath: boolean;
}

class Session {
  readonly recordings: Recording[] = [];
  failure: unknown;
  readonly #options: CaptureOptions;
  readonly #links = new Set<Link>();
  readonly #tasks: Promise<void>[] = [];
  /** When the last connection ended. */
  #idleSinceMs = 0;

  constructor(options: CaptureOptions) {
    this.#options = options;
  }

  /** Takes connections until there are no more. */
  async accept(next: () => Promise<Connection | undefined>): Promise<void> {
    for (;;) {
      const source = await next();
      if (source === undefined) return;
      if (this.recordings.length >= MAX_CONNECTIONS) {
        closeConnection(source);
        continue;
      }
      const recording = new Recording(this.recordings.length, this.#options.folder);
      this.recordings.push(recording);
      const link: Link = {
        recording,
        source,
        destination: undefined,
        lastMs: performance.now(),
        shut: false,
        acknowledged: false,
        package: undefined,
        head: new Uint8Array(0),
        returnPath: false,
      };
      this.#links.add(link);
      // The destination takes its first connection for the main channel: the order has to stay.
      await this.#connect(link);
      this.#tasks.push(this.#serve(link));
    }
  }

  async #connect(link: Link): Promise<void> {
    const { connect } = this.#options;
    if (connect === undefined) return;
    try {
      link.destination = await connect();
    } catch (error) {
      this.failure ??= error;
    }
  }

  async #serve(link: Link): Promise<void> {
    const { recording, source, destination } = link;
    try {
      if (this.failure !== undefined) recording.end("cut");
      else if (destination === undefined) await this.#play(link);
      else await this.#relay(link, destination);
    } catch (error) {
      // A full disk, most likely: the source has to learn that its guest is not safe here.
      this.failure ??= error;
      recording.ended ??= "cut";
      await this.#refuse(link);
    }
    closeConnection(source);
    if (destination !== undefined) closeConnection(destination);
    this.#links.delete(link);
    this.#idleSinceMs = performance.now();
  }

  /** Plays the destination. */
  async #play(link: Link): Promise<void> {
    const { recording } = link;
    const how = await readAll(link.source, (bytes) => {
      link.lastMs = performance.now();
      recording.append(bytes);
      if (link.head !== undefined) return this.#answer(link, bytes);
      const value = link.package?.take(bytes);
      if (value === undefined) return;
      link.package = undefined;
      return writeAll(link.source, messageBytes({ name: "PONG", value })).then(() => {});
    });
    recording.end(how);
  }

  /** Reads the beginning of the main channel, and answers it. */
  #answer(link: Link, bytes: Uint8Array): void | Promise<void> {
    const { recording, source } = link;
    if (recording.kind === undefined || recording.kind.role === "main") {
      const head = new Uint8Array(link.head!.length + bytes.length);
      head.set(link.head!);
      head.set(bytes, link.head!.length);
      link.head = head;
    }
    if (recording.kind === undefined) return;
    if (recording.kind.role === "unknown") return this.#refuseForeign(link);
    const found = recording.kind.role === "main" ? readStreamHead(link.head!) : undefined;
    if (found === undefined && recording.kind.role === "main") return;
    link.head = undefined;
    if (found?.postcopy === true) {
      link.package = new PackageWatch();
      this.#options.onNote?.(
        "the source may go over to postcopy: its guest would then go on nowhere, because nobody " +
          "runs it here (--forward passes the migration on to a destination)",
      );
    }
    if (found?.returnPath !== true) return;
    link.returnPath = true;
    return writeAll(source, firstAnswers(found)).then(() => {});
  }

  /** Ends a connection that is none of a migration; alone, it ends the capture. */
  #refuseForeign({ recording, source }: Link): void {
    const error = foreignError(recording);
    const isAlone = this.recordings.every(({ kind }) =>
      kind === undefined || kind.role === "unknown"
    );
    if (isAlone) throw error;
    this.#options.onNote?.(error.message);
    recording.end("cut");
    closeConnection(source);
  }

  /** Stands between source and destination. */
  async #relay(link: Link, destination: Connection): Promise<void> {
    const { recording, source } = link;
    const forward = async () => {
      const how = await readAll(source, async (bytes) => {
        link.lastMs = performance.now();
        recording.append(bytes);
        if (await writeAll(destination, bytes)) return;
        recording.refusedAtBytes ??= recording.forwardBytes;
        closeConnection(source);
      });
      await endWriting(destination);
      return how;
    };
    const backward = async () => {
      const how = await readAll(destination, async (bytes) => {
        link.lastMs = performance.now();
        recording.appendBackward(bytes);
        await writeAll(source, bytes);
      });
      await endWriting(source);
      return how;
    };
    const [how] = await Promise.all([forward(), backward()]);
    recording.end(how);
  }

  async #refuse(link: Link): Promise<void> {
    if (link.destination !== undefined || !link.returnPath || link.shut) return;
    link.shut = true;
    await writeAll(link.source, messageBytes({ name: "SHUT", value: 1 }));
  }

  /** Waits until everything has come that will come. */
  async finished(): Promise<void> {
    while (!this.#isOver()) {
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      this.#options.onProgress?.(this.recordings);
      for (const link of this.#links) await this.#acknowledge(link);
    }
  }

  /** Tells a source that waits for it that it may stop its guest, or that everything has come. */
  async #acknowledge(link: Link): Promise<void> {
    const { recording: { forward }, returnPath, shut, source } = link;
    if (!returnPath || shut || forward === undefined || this.failure !== undefined) return;
    if (!link.acknowledged && seemsToWait(forward)) {
      link.acknowledged = true;
      await writeAll(source, messageBytes({ name: "SWITCHOVER_ACK" }));
    }
    if (!seemsEnded(forward, performance.now() - link.lastMs)) return;
    link.shut = true;
    await writeAll(source, messageBytes({ name: "SHUT", value: 0 }));
  }

  #isOver(): boolean {
    const { signal } = this.#options;
    if (signal?.aborted === true || this.failure !== undefined) return true;
    const withBytes = this.recordings.filter(({ forwardBytes }) => forwardBytes > 0);
    if (withBytes.length === 0) return false;
    const nowMs = performance.now();
    const main = withBytes.find(({ kind }) => kind?.role === "main");
    if (main === undefined) return this.#links.size === 0 && nowMs - this.#idleSinceMs > LOST_MS;
    if (main.ended === undefined) return false;
    const channels = withBytes.filter(({ kind }) => kind?.role === "multifd").length;
    const isMissing = channels < (this.#options.multifdChannels ?? 0);
    const lastMs = Math.max(this.#idleSinceMs, ...[...this.#links].map(({ lastMs }) => lastMs));
    return (this.#links.size === 0 && !isMissing) || nowMs - lastMs > GRACE_MS;
  }

  /** Cuts what is still open, and waits for its end. */
  async closed(): Promise<void> {
    for (const link of this.#links) {
      link.recording.end("cut");
      await this.#refuse(link);
      closeConnection(link.source);
      if (link.destination !== undefined) closeConnection(link.destination);
    }
    await Promise.all(this.#tasks);
  }
}

function foreignError({ connection, forward }: Recording): Error {
  const start = new Uint8Array(Math.min(8, forward?.sizeBytes ?? 0));
  forward?.readAt(0, start);
  const bytes = Array.from(start, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const guess = start[0] === 0x16 && start[1] === 0x03 ? " (TLS, which has to be off)" : "";
  return new Error(`Connection ${connection} is no migration: it begins with ${bytes}${guess}`);
}
