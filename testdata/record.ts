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
    super(path, async (connection) => {
      const forward = await copy(connection.readable);
      return { forward, backward: new Uint8Array() };
    });
  }
}

/** Passes everything on to the destination that listens at `target`, and back. */
export class Proxy extends Recorder {
  constructor(path: string, target: string) {
    super(path, async (source) => {
      const destination = await Deno.connect({ transport: "unix", path: target });
      const [forward, backward] = await Promise.all([
        copy(source.readable, destination.writable),
        copy(destination.readable, source.writable),
      ]);
      return { forward, backward };
    });
  }
}

/** Copies a stream to its end, optionally to a second place as well. */
async function copy(
  from: ReadableStream<Uint8Array<ArrayBuffer>>,
  to?: WritableStream<Uint8Array<ArrayBuffer>>,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const writer = to?.getWriter();
  try {
    for await (const chunk of from) {
      chunks.push(chunk);
      await writer?.write(chunk);
    }
  } catch (error) {
    // A peer that has what it wants closes without reading the rest.
    if (
      !(error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset)
    ) {
      throw error;
    }
  }
  await writer?.close().catch(() => {});
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
