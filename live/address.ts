/**
 * Where a migration connects to: a unix socket, or a TCP port.
 *
 * ```text
 * unix:PATH           tcp:HOST:PORT       tcp:[::1]:PORT
 *                     tcp:PORT, tcp::PORT on this machine alone (127.0.0.1)
 * ```
 *
 * @module
 */

import type { Connection } from "./pump.ts";

/** An address. */
export type Address =
  | {
    /** Kind of address. */
    readonly transport: "unix";
    /** Path of the socket. */
    readonly path: string;
  }
  | {
    /** Kind of address. */
    readonly transport: "tcp";
    /** Name or number of the host. */
    readonly hostname: string;
    /** Port; 0 lets the system choose where something listens. */
    readonly port: number;
  };

const LOOPBACK = "127.0.0.1";
const FORMS = "unix:PATH, tcp:HOST:PORT or tcp:PORT";

/**
 * Reads an address in QEMU's spelling.
 *
 * @throws {Error} in words for people
 */
export function parseAddress(text: string): Address {
  const unix = /^unix:(.+)$/.exec(text);
  if (unix !== null) return { transport: "unix", path: unix[1]! };
  const tcp = /^tcp:(?:(\[[0-9A-Fa-f:.]+\]|[^:[\]]*):)?(\d{1,5})$/.exec(text);
  const port = Number(tcp?.[2]);
  if (tcp === null || port > 0xffff) {
    throw new Error(`"${text}" is no address: expected ${FORMS}`);
  }
  const hostname = (tcp[1] ?? "").replace(/^\[|\]$/g, "");
  return { transport: "tcp", hostname: hostname === "" ? LOOPBACK : hostname, port };
}

/** An address in QEMU's spelling. */
export function addressText(address: Address): string {
  if (address.transport === "unix") return `unix:${address.path}`;
  const { hostname, port } = address;
  return `tcp:${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** Something that listens; a unix socket is removed at the end. */
export interface MigrationListener extends Disposable {
  /** Where it listens, with the port that the system chose. */
  readonly address: Address;
  /** The next connection; `undefined` when the listener was closed. */
  accept(): Promise<Connection | undefined>;
}

/**
 * Listens. A unix socket's path must be free: whatever is there may belong to somebody.
 *
 * @throws {Error} if the address is taken
 */
export function listenAt(address: Address): MigrationListener {
  try {
    if (address.transport === "tcp") return new OpenListener(Deno.listen(address), undefined);
    return new OpenListener(Deno.listen(address), address.path);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AddrInUse)) throw cause;
    const taken = address.transport === "unix" ? "the path exists already" : "the port is in use";
    throw new Error(`Cannot listen on ${addressText(address)}: ${taken}`, { cause });
  }
}

class OpenListener implements MigrationListener {
  readonly address: Address;
  readonly #listener: Deno.Listener;
  readonly #path: string | undefined;
  #open = true;

  constructor(listener: Deno.Listener, path: string | undefined) {
    this.#listener = listener;
    this.#path = path;
    const { addr } = listener;
    if (addr.transport === "tcp") {
      this.address = { transport: "tcp", hostname: addr.hostname, port: addr.port };
    } else this.address = { transport: "unix", path: path ?? "" };
  }

  async accept(): Promise<Connection | undefined> {
    try {
      return await this.#listener.accept();
    } catch (error) {
      if (!this.#open) return undefined;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.#listener.close();
    if (this.#path !== undefined) removeSocket(this.#path);
  }
}

/** Somebody else may have removed it already. */
function removeSocket(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Connects.
 *
 * @throws {Error} with the address, if nothing answers there
 */
export async function connectTo(address: Address): Promise<Connection> {
  try {
    // Two calls, because the options of the two transports have nothing in common.
    if (address.transport === "unix") return await Deno.connect(address);
    return await Deno.connect(address);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot connect to ${addressText(address)}: ${reason}`, { cause });
  }
}
