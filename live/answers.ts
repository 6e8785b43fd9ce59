/**
 * What a destination has to say so that a source with a return path comes to its end, played without one.
 *
 * A source waits for two messages: SWITCHOVER_ACK before it stops its guest, if it was told to (capability switchover-ack), and SHUT at the
 * end, behind everything it sent. Nothing in the stream says whether it was told to, and since QEMU 11.1 a source gives up on an
 * acknowledgement that it has not asked for; but one that waits sends empty sections meanwhile, again and again. The stream has no length, and a source that waits does not close its connection; so the end is where a silent source's last bytes are those
 * of a stream. A SHUT that comes too early does no harm: the source sends on, and its connection is read until it is closed.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { type Command, decodeCommand, encodeCommand } from "../format/command.ts";
import { decodeConfiguration } from "../format/configuration.ts";
import { isFormatError } from "../format/error.ts";
import { decodeFileHeader } from "../format/header.ts";
import { ByteReader } from "../format/reader.ts";
import { RAM_SAVE_FLAG } from "../format/ram.ts";
import { encodeReturnPathMessage, type ReturnPathMessage } from "../format/return_path.ts";
import { SECTION_TYPE } from "../format/section.ts";
import { type ByteSource, BytesSource } from "../format/source.ts";
import { findVmdescriptionAtEnd } from "../format/vmdescription.ts";
import { ByteWriter } from "../format/writer.ts";

/** Longest beginning of a stream that is looked at; configuration and commands have a few hundred bytes. */
const HEAD_MAX_BYTES = 64 * 1024;

/** What the beginning of a main channel says. */
export interface StreamHead {
  /** Whether the source opened a return path. */
  readonly returnPath: boolean;
  /** The values of its PINGs. */
  readonly pings: readonly number[];
  /** Whether the source may go over to postcopy. */
  readonly postcopy: boolean;
}

/** Reads the beginning of a main channel; `undefined` while more bytes are needed. */
export function readStreamHead(head: Uint8Array): StreamHead | undefined {
  const found = { returnPath: false, pings: [] as number[], postcopy: false };
  const reader = new ByteReader(new BytesSource(head), { blockBytes: HEAD_MAX_BYTES });
  try {
    decodeFileHeader(reader);
    let type = reader.u8("section type");
    if (type === SECTION_TYPE.CONFIGURATION) {
      decodeConfiguration(reader);
      type = reader.u8("section type");
    }
    for (; type === SECTION_TYPE.COMMAND; type = reader.u8("section type")) {
      const command = decodeCommand(reader);
      if (command.name === "OPEN_RETURN_PATH") found.returnPath = true;
      else if (command.name === "PING") found.pings.push(command.value);
      else if (command.name === "POSTCOPY_ADVISE") found.postcopy = command.pages !== undefined;
    }
  } catch (error) {
    if (!isFormatError(error)) throw error;
    // Damage is told in the end; nobody has to be answered then.
    if (error.code === "truncated" && head.length < HEAD_MAX_BYTES) return undefined;
  }
  return found;
}

/** Encodes messages of the return path. */
export function messageBytes(...messages: readonly ReturnPathMessage[]): Uint8Array {
  const writer = new ByteWriter();
  for (const message of messages) encodeReturnPathMessage(writer, message);
  return writer.finish();
}

/** What is said as soon as the beginning of the stream is there. */
export function firstAnswers({ pings }: StreamHead): Uint8Array {
  return messageBytes(...pings.map((value) => ({ name: "PONG" as const, value })));
}

/** Empty rounds behind each other after which a source is believed to wait. */
const EMPTY_ROUNDS = 4;
/** Longest round without content: empty sections of a few entries. */
const ROUND_MAX_BYTES = 256;

/** Whether the last bytes of a stream are rounds that send nothing, one like the other: the source waits for SWITCHOVER_ACK. */
export function seemsToWait(stream: ByteSource): boolean {
  const size = stream.sizeBytes ?? 0;
  const tail = new Uint8Array(Math.min(size, EMPTY_ROUNDS * ROUND_MAX_BYTES));
  stream.readAt(size - tail.length, tail);
  const most = Math.min(ROUND_MAX_BYTES, Math.floor(tail.length / EMPTY_ROUNDS));
  for (let length = EMPTY_PART_BYTES; length <= most; length++) {
    if (beginsEmptyPart(tail, tail.length - length) && isRepeated(tail, length)) return true;
  }
  return false;
}

/** Bytes of a PART of the RAM without records: type, id, EOS word. */
const EMPTY_PART_BYTES = 13;

/** A PART of the RAM with nothing, or with multifd with a mark, before its EOS word. */
function beginsEmptyPart(bytes: Uint8Array, at: number): boolean {
  if (bytes[at] !== SECTION_TYPE.PART) return false;
  const words = new DataView(bytes.buffer, bytes.byteOffset + at + 5);
  const first = words.getBigUint64(0);
  if (first === BigInt(RAM_SAVE_FLAG.EOS)) return true;
  return first === BigInt(RAM_SAVE_FLAG.MULTIFD_FLUSH) && words.byteLength >= 16 &&
    words.getBigUint64(8) === BigInt(RAM_SAVE_FLAG.EOS);
}

/** Whether the last bytes are so many of `length` each, all alike. */
function isRepeated(bytes: Uint8Array, length: number): boolean {
  const start = bytes.length - EMPTY_ROUNDS * length;
  for (let at = start; at < bytes.length - length; at++) {
    if (bytes[at] !== bytes[at + length]) return false;
  }
  return true;
}

/** The PING that stands last in a package of postcopy, without its value, and the RUN behind it. */
const PACKAGE_END = {
  ping: encoded({ name: "PING", value: 0 }).subarray(0, -4),
  run: encoded({ name: "POSTCOPY_RUN" }),
};
const PACKAGE_END_BYTES = PACKAGE_END.ping.length + 4 + PACKAGE_END.run.length;

function encoded(command: Command): Uint8Array {
  const writer = new ByteWriter();
  encodeCommand(writer, command);
  return writer.finish();
}

/**
 * Sees the PING that ends a package of postcopy when it passes: since QEMU 11 a source waits for its answer before it goes on, and sends
 * pages meanwhile. That is no decoding, but no page is likely to hold these bytes.
 */
export class PackageWatch {
  /** The last bytes that came: the end of a package may come in two parts. */
  #tail = new Uint8Array(0);

  /** Takes the next bytes; gives the value of the PING if it has just come. */
  take(bytes: Uint8Array): number | undefined {
    const joined = Buffer.concat([this.#tail, bytes]);
    this.#tail = new Uint8Array(
      joined.subarray(Math.max(0, joined.length - PACKAGE_END_BYTES + 1)),
    );
    const { ping, run } = PACKAGE_END;
    for (let at = joined.indexOf(run); at >= 0; at = joined.indexOf(run, at + 1)) {
      const start = at - 4 - ping.length;
      if (start < 0 || joined.indexOf(ping, start) !== start) continue;
      return joined.readUInt32BE(at - 4);
    }
    return undefined;
  }
}

/** Milliseconds of silence after which each form of end is believed, the surest first. */
const SILENCE_MS = { description: 100, footer: 1000, eof: 5000 } as const;

/** Whether a source that has been silent for `silenceMs` seems to have sent everything. */
export function seemsEnded(stream: ByteSource, silenceMs: number): boolean {
  const size = stream.sizeBytes ?? 0;
  const tail = new Uint8Array(6);
  if (size < tail.length || silenceMs < SILENCE_MS.description) return false;
  stream.readAt(size - tail.length, tail);
  if (tail[5] !== SECTION_TYPE.EOF) return findVmdescriptionAtEnd(stream) !== undefined;
  // No description: postcopy, or a machine that suppresses it.
  const behindFooter = tail[0] === SECTION_TYPE.FOOTER;
  return silenceMs >= (behindFooter ? SILENCE_MS.footer : SILENCE_MS.eof);
}
