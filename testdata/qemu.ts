/**
 * A real QEMU under control: start it, talk to its monitor, migrate it, look into its memory.
 *
 * ```ts
 * import { Qemu } from "./qemu.ts";
 *
 * await using vm = await Qemu.start({
 *   binary: "qemu-system-x86_64",
 *   args: ["-machine", "none"],
 *   cwd: await Deno.makeTempDir(),
 * });
 * await vm.migrate("file:none.mig");
 * ```
 *
 * @module
 */

import { toText } from "@std/streams/to-text";
import { type JsonObject, Qmp } from "./qmp.ts";

export type { JsonObject };

/** Arguments of every QEMU: emulation only, no default devices, stopped at the start. */
export const COMMON_ARGS: readonly string[] = [
  ..."-accel tcg -S -nodefaults -display none".split(" "),
];

/** How to start a QEMU. */
export interface QemuOptions {
  /** Path of the binary, or its name if it is on PATH. */
  readonly binary: string;
  /** Arguments behind {@linkcode COMMON_ARGS}. */
  readonly args: readonly string[];
  /** Working directory; relative paths of `args` and of migration URIs start here. */
  readonly cwd?: string;
}

/** What `migrate` sets before it starts. */
export interface MigrateOptions {
  /** Capabilities to switch on. */
  readonly capabilities?: readonly string[];
  /** Arguments of `migrate-set-parameters`. */
  readonly parameters?: JsonObject;
  /** Further arguments of the QMP command `migrate`, e.g. `{ blk: true }`. */
  readonly arguments?: JsonObject;
}

/** One line of HMP's `info ramblock`. */
export interface RamBlockInfo {
  /** The block's name, as in streams. */
  readonly name: string;
  /** What is in use, and migrates. */
  readonly usedLengthBytes: number;
  /** What it may be resized to. */
  readonly maxLengthBytes: number;
  /** Address in the QEMU process; unknown before QEMU 8.0. */
  readonly hostAddress?: number;
}

const FINAL_STATES = new Set(["completed", "failed", "cancelled", "colo"]);

/** A running QEMU process with a QMP session. */
export class Qemu implements AsyncDisposable {
  /** Process id. */
  readonly pid: number;
  /** The command line, with the plain name of the binary. */
  readonly commandLine: readonly string[];
  readonly #process: Deno.ChildProcess;
  readonly #qmp: Qmp;
  readonly #stderr: Promise<string>;

  private constructor(
    process: Deno.ChildProcess,
    qmp: Qmp,
    stderr: Promise<string>,
    commandLine: readonly string[],
  ) {
    this.pid = process.pid;
    this.#process = process;
    this.#qmp = qmp;
    this.#stderr = stderr;
    this.commandLine = commandLine;
  }

  /**
   * Starts a QEMU and opens its monitor.
   *
   * @throws {Error} with QEMU's own words if it does not start
   */
  static async start(options: QemuOptions): Promise<Qemu> {
    const args = [...COMMON_ARGS, ...options.args];
    const name = options.binary.replace(/^.*\//, "");
    const folder = await Deno.makeTempDir({ prefix: "qmp-" });
    try {
      const path = `${folder}/socket`;
      using listener = Deno.listen({ transport: "unix", path });
      const process = new Deno.Command(options.binary, {
        args: [...args, "-qmp", `unix:${path}`],
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).spawn();
      const stderr = toText(process.stderr);
      const connection = await Promise.race([listener.accept(), process.status]);
      if ("success" in connection) {
        throw new Error(`Cannot start ${name} ${args.join(" ")}: ${(await stderr).trim()}`);
      }
      return new Qemu(process, await Qmp.open(connection), stderr, [name, ...args]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }

  /** Runs a QMP command. */
  qmp(command: string, args?: JsonObject): Promise<unknown> {
    return this.#qmp.execute(command, args);
  }

  /** Runs a QMP command that answers with an object. */
  async query(command: string, args?: JsonObject): Promise<JsonObject> {
    return await this.qmp(command, args) as JsonObject;
  }

  /** Runs a line of the human monitor and returns what it prints, with plain line ends. */
  async hmp(line: string): Promise<string> {
    const text = await this.qmp("human-monitor-command", { "command-line": line });
    return String(text).replaceAll("\r\n", "\n");
  }

  /** QEMU's version, e.g. `10.0.2`. */
  async version(): Promise<string> {
    const { qemu } = await this.query("query-version");
    const { major, minor, micro } = qemu as Record<string, number>;
    return `${major}.${minor}.${micro}`;
  }

  /** Switches migration capabilities on. */
  async setCapabilities(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const capabilities = names.map((capability) => ({ capability, state: true }));
    await this.qmp("migrate-set-capabilities", { capabilities });
  }

  /** Starts a migration without waiting for its end. */
  async startMigration(uri: string, options: MigrateOptions = {}): Promise<void> {
    await this.setCapabilities(options.capabilities ?? []);
    if (options.parameters !== undefined) {
      await this.qmp("migrate-set-parameters", options.parameters);
    }
    await this.qmp("migrate", { uri, ...options.arguments });
  }

  /** Polls `query-migrate` until `done` accepts its answer, which is returned. */
  async waitMigration(
    done: (status: JsonObject) => boolean = isFinal,
    timeoutMs = 120_000,
  ): Promise<JsonObject> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const status = await this.query("query-migrate");
      if (done(status)) return status;
      if (isFinal(status) || Date.now() > deadline) {
        throw new Error(`Migration is stuck: ${JSON.stringify(status)}`);
      }
      await delay(5);
    }
  }

  /**
   * Migrates and waits for the end.
   *
   * @throws {Error} unless the migration completes
   */
  async migrate(uri: string, options: MigrateOptions = {}): Promise<JsonObject> {
    await this.startMigration(uri, options);
    const status = await this.waitMigration();
    if (status.status !== "completed") {
      throw new Error(`Migration to ${uri} ended ${JSON.stringify(status)}`);
    }
    return status;
  }

  /** All RAM blocks, those that don't migrate included. */
  async ramBlocks(): Promise<RamBlockInfo[]> {
    const lines = (await this.hmp("info ramblock")).split("\n").slice(1);
    return lines.map(parseRamBlock).filter((block) => block !== undefined);
  }

  /** Address in the QEMU process of a guest physical address. */
  async hostAddress(guestAddress: number): Promise<number> {
    const text = await this.hmp(`gpa2hva 0x${guestAddress.toString(16)}`);
    const address = /is (0x[0-9a-f]+)/.exec(text)?.[1];
    if (address === undefined) throw new Error(`Cannot translate address: ${text.trim()}`);
    return Number(address);
  }

  /** Copies memory of the QEMU process. */
  readHostMemory(address: number, lengthBytes: number): Uint8Array<ArrayBuffer> {
    using memory = Deno.openSync(`/proc/${this.pid}/mem`);
    memory.seekSync(address, Deno.SeekMode.Start);
    const bytes = new Uint8Array(lengthBytes);
    for (let done = 0; done < lengthBytes;) {
      const count = memory.readSync(bytes.subarray(done));
      if (count === null) throw new Error(`Cannot read memory at 0x${address.toString(16)}`);
      done += count;
    }
    return bytes;
  }

  /** Ends the process, gently if it still listens, and returns what it said on stderr. */
  async quit(): Promise<string> {
    await this.qmp("quit").catch(() => this.#kill());
    const timer = setTimeout(() => this.#kill(), 5_000);
    await this.#process.status;
    clearTimeout(timer);
    await this.#qmp.closed();
    return await this.#stderr;
  }

  /** Ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.quit();
  }

  #kill(): void {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  }
}

/** Whether a migration has come to an end, good or bad. */
export function isFinal(status: JsonObject): boolean {
  return FINAL_STATES.has(String(status.status));
}

/** Waits. */
export function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Columns: name, page size (two words), offset, used, total, [host address, read-only]. */
function parseRamBlock(line: string): RamBlockInfo | undefined {
  const match =
    /^\s*(\S+)\s+\d+ \w+\s+0x[0-9a-f]+\s+(0x[0-9a-f]+)\s+(0x[0-9a-f]+)(?:\s+(0x[0-9a-f]+))?/
      .exec(line);
  if (match === null) return undefined;
  const [, name = "", used, total, host] = match;
  return {
    name,
    usedLengthBytes: Number(used),
    maxLengthBytes: Number(total),
    ...(host === undefined ? {} : { hostAddress: Number(host) }),
  };
}
