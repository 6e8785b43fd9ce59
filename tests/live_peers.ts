/**
 * Connections in memory, with as little room as real ones have, for tests of what talks to a QEMU.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import type { Address, MigrationListener } from "../live/address.ts";
import type { Connection } from "../live/pump.ts";

/** One direction of a connection. */
class Direction {
  readonly #roomBytes: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #ended = false;
  #broken = false;
  #changed = Promise.withResolvers<void>();

  constructor(roomBytes: number) {
    this.#roomBytes = roomBytes;
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#bytes.length === 0) {
      if (this.#broken) throw new Deno.errors.ConnectionReset("reset");
      if (this.#ended) return null;
      await this.#changed.promise;
    }
    const count = Math.min(into.length, this.#bytes.length);
    into.set(this.#bytes.subarray(0, count));
    this.#bytes = this.#bytes.slice(count);
    this.#wake();
    return count;
  }

  async write(bytes: Uint8Array): Promise<number> {
    while (!this.#broken && !this.#ended && this.#bytes.length >= this.#roomBytes) {
      await this.#changed.promise;
    }
    if (this.#broken || this.#ended) throw new Deno.errors.BrokenPipe("gone");
    const count = Math.min(bytes.length, this.#roomBytes - this.#bytes.length);
    this.#bytes = concat([this.#bytes, bytes.subarray(0, count)]);
    this.#wake();
    return count;
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** The reader is gone. */
  break(): void {
    this.#broken = true;
    this.#bytes = new Uint8Array(0);
    this.#wake();
  }
}

/** One side of a connection in memory. */
export class Peer implements Connection {
  readonly #incoming: Direction;
  readonly #outgoing: Direction;

  constructor(incoming: Direction, outgoing: Direction) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#incoming.read(into);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#outgoing.write(bytes);
  }

  /** Writes everything, in pieces of at most so many bytes. */
  async writeAll(bytes: Uint8Array, pieceBytes: number = bytes.length): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      done += await this.write(bytes.subarray(done, done + pieceBytes));
    }
  }

  /** Reads exactly so many bytes. */
  async readExactly(count: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(count);
    for (let done = 0; done < count;) {
      const got = await this.read(bytes.subarray(done));
      if (got === null) throw new Error(`the connection ended after ${done} of ${count} bytes`);
      done += got;
    }
    return bytes;
  }

  /** Reads everything up to the end. */
  async readAll(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    const buffer = new Uint8Array(4096);
    for (;;) {
      const count = await this.read(buffer);
      if (count === null) return concat(parts);
      parts.push(buffer.slice(0, count));
    }
  }

  closeWrite(): Promise<void> {
    this.#outgoing.end();
    return Promise.resolve();
  }

  close(): void {
    this.#outgoing.end();
    this.#incoming.break();
  }
}

/** Both sides of a connection that holds `roomBytes` on their way in each direction. */
export function connectionPair(roomBytes = 4096): [Peer, Peer] {
  const there = new Direction(roomBytes);
  const back = new Direction(roomBytes);
  return [new Peer(back, there), new Peer(there, back)];
}

/** Accepts connections that are made in memory. */
export class MemoryListener implements MigrationListener {
  readonly address: Address = { transport: "unix", path: "memory" };
  readonly #roomBytes: number;
  #waiting: Peer[] = [];
  #closed = false;
  #changed = Promise.withResolvers<void>();

  constructor(roomBytes = 4096) {
    this.#roomBytes = roomBytes;
  }

  /** Connects to it. */
  connect(): Peer {
    const [peer, accepted] = connectionPair(this.#roomBytes);
    this.#waiting.push(accepted);
    this.#wake();
    return peer;
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  async accept(): Promise<Peer | undefined> {
    while (this.#waiting.length === 0) {
      if (this.#closed) return undefined;
      await this.#changed.promise;
    }
    return this.#waiting.shift();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#wake();
  }
}
