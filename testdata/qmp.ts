/**
 * A QMP client over a connection: one JSON object a line.
 *
 * ```text
 * <- {"QMP": {...}}                                  greeting
 * -> {"execute": "qmp_capabilities", "id": 1}
 * <- {"return": {}, "id": 1}
 * <- {"event": "STOP", ...}                          at any time
 * ```
 *
 * @module
 */

import { TextLineStream } from "@std/streams/text-line-stream";

/** A JSON object as QEMU sends it; members are checked where they are used. */
export type JsonObject = { readonly [key: string]: unknown };

/** QEMU answered a command with an error. */
export class QmpError extends Error {
  override name = "QmpError";
}

/** One QMP session. Commands may overlap; answers are matched by id. */
export class Qmp {
  readonly #connection: Deno.Conn;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #greeting = Promise.withResolvers<void>();
  readonly #loop: Promise<void>;
  #lastId = 0;
  #closed = false;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
    this.#writer = connection.writable.getWriter();
    this.#greeting.promise.catch(() => {});
    this.#loop = this.#readLines();
  }

  /** Opens a session: waits for the greeting and leaves negotiation mode. */
  static async open(connection: Deno.Conn): Promise<Qmp> {
    const session = new Qmp(connection);
    await session.#greeting.promise;
    await session.execute("qmp_capabilities");
    return session;
  }

  /**
   * Runs one command and returns the member `return` of its answer.
   *
   * @throws {QmpError} if QEMU refuses the command or goes away first
   */
  async execute(command: string, args?: JsonObject): Promise<unknown> {
    if (this.#closed) throw new QmpError(`Cannot run ${command}: QEMU is gone`);
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    answer.promise.catch(() => {});
    const line = JSON.stringify({ execute: command, id, arguments: args });
    try {
      await this.#writer.write(new TextEncoder().encode(line + "\n"));
    } catch (cause) {
      this.#waiting.delete(id);
      throw new QmpError(`Cannot send ${command}: QEMU is gone`, { cause });
    }
    try {
      return await answer.promise;
    } catch (cause) {
      throw new QmpError(`Cannot run ${command}: ${messageOf(cause)}`, { cause });
    }
  }

  /** Resolves when QEMU has closed its side. */
  async closed(): Promise<void> {
    await this.#loop;
    await this.#writer.abort().catch(() => {});
  }

  async #readLines(): Promise<void> {
    let cause: unknown;
    try {
      const lines = this.#connection.readable.pipeThrough(new TextDecoderStream())
        .pipeThrough(new TextLineStream());
      for await (const line of lines) {
        if (line.trim() !== "") this.#dispatch(JSON.parse(line));
      }
    } catch (error) {
      cause = error; // a killed QEMU resets the connection
    }
    this.#closed = true;
    const gone = new QmpError("QEMU closed the monitor", { cause });
    this.#greeting.reject(gone);
    for (const { reject } of this.#waiting.values()) reject(gone);
  }

  #dispatch(message: JsonObject): void {
    if ("QMP" in message) return this.#greeting.resolve();
    if (typeof message.id !== "number") return; // an event
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.error === undefined) return waiting?.resolve(message.return);
    const { desc } = message.error as { desc?: string };
    waiting?.reject(new QmpError(desc ?? "unknown error"));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
