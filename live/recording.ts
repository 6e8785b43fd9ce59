/**
 * One connection of a migration, byte by byte as it came, in files of its own: one for each direction that has bytes.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import type { OutputFile } from "../container/output_file.ts";
import type { OutputFolder } from "../container/output_folder.ts";
import type { ByteSource } from "../format/source.ts";
import { RoundCounter } from "./round_counter.ts";
import { type ConnectionKind, fileNameOf, recogniseConnection } from "./channel.ts";

/** Bytes of the return path that are kept in memory until the connection is recognised. */
const PENDING_MAX_BYTES = 1 << 20;

/** Bytes that are being written to a file, and can be read from it. */
export class RecordedFile implements ByteSource {
  /** Always true. */
  readonly seekable = true;
  /** The file. */
  readonly file: OutputFile;
  /** Bytes so far. */
  sizeBytes = 0;

  /** Begins to fill `file`. */
  constructor(file: OutputFile) {
    this.file = file;
  }

  /** Adds bytes. */
  append(bytes: Uint8Array): void {
    this.file.writeAt(this.sizeBytes, bytes);
    this.sizeBytes += bytes.length;
  }

  /** Reads what was written. */
  readAt(offset: number, into: Uint8Array): number {
    const count = Math.max(0, Math.min(into.length, this.sizeBytes - offset));
    if (count > 0) this.file.readAt(offset, into.subarray(0, count));
    return count;
  }
}

/** How a direction of a connection came to its end. */
export type EndOfConnection = "closed" | "reset" | "cut";

/** A connection that is being recorded. */
export class Recording {
  /** In which order it came: 0, 1... */
  readonly connection: number;
  /** What it is, once its first bytes say so. */
  kind: ConnectionKind | undefined;
  /** From the source to the destination. */
  forward: RecordedFile | undefined;
  /** From the destination to the source. */
  backward: RecordedFile | undefined;
  /** Bytes from the source so far. */
  forwardBytes = 0;
  /** Bytes from the destination so far. */
  backwardBytes = 0;
  /** How it ended; `undefined` while it is open. */
  ended: EndOfConnection | undefined;
  /** How many bytes had come when the destination was found gone. */
  refusedAtBytes: number | undefined;
  readonly #folder: OutputFolder;
  readonly #rounds: RoundCounter = new RoundCounter();
  #head: Uint8Array = new Uint8Array(0);
  #pending: Uint8Array[] = [];

  /** Begins without a file: its name depends on what comes. */
  constructor(connection: number, folder: OutputFolder) {
    this.connection = connection;
    this.#folder = folder;
  }

  /** Takes bytes of the source. */
  append(bytes: Uint8Array): void {
    this.forwardBytes += bytes.length;
    if (this.kind === undefined || this.kind.role === "main") this.#rounds.take(bytes);
    if (this.forward !== undefined) return this.forward.append(bytes);
    this.#head = concat([this.#head, bytes]);
    this.#recognise(false);
  }

  /** RAM sections of the main channel so far; 0 of others. */
  get ramSections(): number {
    return this.kind?.role === "main" ? this.#rounds.sections : 0;
  }

  /** Takes bytes of the destination. */
  appendBackward(bytes: Uint8Array): void {
    this.backwardBytes += bytes.length;
    if (this.backward !== undefined) return this.backward.append(bytes);
    this.#pending.push(bytes.slice());
    if (this.backwardBytes > PENDING_MAX_BYTES) this.#recognise(true);
    this.#flushBackward();
  }

  /** Says that no more bytes will come. */
  end(how: EndOfConnection): void {
    // The first reason is the true one.
    this.ended ??= how;
    if (this.forwardBytes + this.backwardBytes > 0 && this.kind === undefined) {
      this.#recognise(true);
    }
    this.#flushBackward();
  }

  #recognise(isWhole: boolean): void {
    this.kind ??= recogniseConnection(this.#head, isWhole);
    if (this.kind === undefined || this.#head.length === 0) return;
    const name = `${fileNameOf(this.kind, this.connection)}.bin`;
    this.forward = new RecordedFile(this.#folder.create(name));
    this.forward.append(this.#head);
    this.#head = new Uint8Array(0);
    this.#flushBackward();
  }

  #flushBackward(): void {
    if (this.kind === undefined || this.#pending.length === 0) return;
    const name = `${fileNameOf(this.kind, this.connection)}.return.bin`;
    this.backward ??= new RecordedFile(this.#folder.create(name));
    for (const bytes of this.#pending.splice(0)) this.backward.append(bytes);
  }
}
