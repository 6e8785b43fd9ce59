/**
 * Recorders of migration connections.
 *
 * A {@linkcode Sink} plays a destination that only listens, which is all a source without a return
 * path needs. A {@linkcode Proxy} sits between a real source and a real destination.
 *
 * @module
 */

/** What went over one connection. */
export interface Recording {
  /** Source to destination. */
  readonly forward: Uint8Array<ArrayBuffer>;
  /** Destination to source. */
  readonly backward: Uint8Array<ArrayBuffer>;
}

const CHUNK_BYTES = 0x10000;
const GONE = [
  Deno.errors.BrokenPipe,
  Deno.errors.ConnectionReset,
  Deno.errors.NotConnected,
];

type Relay = (connection: Deno.Conn) => Promise<Recording>;

/** Accepts connections on a unix socket and records each of them. */
class Recorder implements Disposable {
  readonly #listener: Deno.Listener;
  readonly #recordings: Promise<Recording>[] = [];
  readonly #loop: Promise<void>;

  constructor(path: string, relay: Relay) {
    this.#listener = Deno.listen({ transport: "unix", path });
    this.#loop = this.#accept(relay);
  }

  /** All connections, in the order they were made; call it when the migration has ended. */
  async recordings(): Promise<Recording[]> {
    this[Symbol.dispose]();
    await this.#loop;
    return await Promise.all(this.#recordings);
  }

  [Symbol.dispose](): void {
    try {
      this.#listener.close();
    } catch {
      // Closed before.
    }
  }

  async #accept(relay: Relay): Promise<void> {
    for await (const connection of this.#listener) {
      const recording = relay(connection);
      recording.catch(() => {});
      this.#recordings.push(recording);
    }
  }
}

/** Swallows and records everything. */
export class Sink extends Recorder {
  constructor(path: string) {
    super(path, async (source) => {
      using _ = source;
      return { forward: await copy(source), backward: new Uint8Array() };
    });
  }
}

/** Passes everything on to the destination that listens at `target`, and back. */
export class Proxy extends Recorder {
  constructor(path: string, target: string) {
    super(path, async (source) => {
      using _ = source;
      using destination = await Deno.connect({ transport: "unix", path: target });
      const [forward, backward] = await Promise.all([
        copy(source, destination),
        copy(destination, source),
      ]);
      return { forward, backward };
    });
  }
}

/** Copies what a peer sends, to its end; `to` gets the bytes and then the end as well. */
async function copy(from: Deno.Conn, to?: Deno.Conn): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const buffer = new Uint8Array(CHUNK_BYTES);
  try {
    for (;;) {
      const count = await from.read(buffer);
      if (count === null) break;
      const chunk = buffer.slice(0, count);
      chunks.push(chunk);
      for (let done = 0; to !== undefined && done < count;) {
        done += await to.write(chunk.subarray(done));
      }
    }
    await to?.closeWrite();
  } catch (error) {
    // A peer that has what it wants goes away without reading the rest.
    if (!GONE.some((kind) => error instanceof kind)) throw error;
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
