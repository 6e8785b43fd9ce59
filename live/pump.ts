/**
 * Moves the bytes of connections, and knows how connections end.
 *
 * @module
 */

/** A connection: `Deno.Conn` is one. */
export interface Connection {
  /** Reads some bytes and returns how many, or `null` where the peer has ended its direction. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes some of the bytes and returns how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Ends our direction. */
  closeWrite(): Promise<void>;
  /** Ends both directions. */
  close(): void;
}

/** Bytes that are read at once: more than a socket's buffer holds. */
export const READ_BYTES: number = 256 * 1024;

/** What a peer that goes away causes, in reading and in writing. */
const GONE: readonly (new (message: string) => Error)[] = [
  Deno.errors.BrokenPipe,
  Deno.errors.ConnectionReset,
  Deno.errors.ConnectionAborted,
  Deno.errors.NotConnected,
  Deno.errors.BadResource,
  Deno.errors.Interrupted,
];

/** Whether an error means that the connection is gone, by the peer or by ourselves. */
export function isGone(error: unknown): boolean {
  return GONE.some((kind) => error instanceof kind);
}

/**
 * Reads a connection to its end and gives each piece to `take` before the next one is read. Returns whether the peer closed it properly.
 */
export async function readAll(
  connection: Connection,
  take: (bytes: Uint8Array) => void | Promise<void>,
): Promise<"closed" | "reset"> {
  const buffer = new Uint8Array(READ_BYTES);
  for (;;) {
    let count: number | null;
    try {
      count = await connection.read(buffer);
    } catch (error) {
      if (isGone(error)) return "reset";
      throw error;
    }
    if (count === null) return "closed";
    const taken = take(buffer.subarray(0, count));
    if (taken !== undefined) await taken;
  }
}

/** Writes all bytes, however slowly the peer takes them; false if it is gone. */
export async function writeAll(connection: Connection, bytes: Uint8Array): Promise<boolean> {
  try {
    for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** Ends our direction of a connection; the other one stays open. */
export async function endWriting(connection: Connection): Promise<void> {
  try {
    await connection.closeWrite();
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** Closes a connection, also one that is closed already. */
export function closeConnection(connection: Connection): void {
  try {
    connection.close();
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}
