/**
 * What a destination has to say so that a source with a return path comes to its end, played without one.
 *
 * A source waits for two messages: SWITCHOVER_ACK before it stops its guest, and SHUT at the end, behind everything it sent. The
 * stream has no length, and a source that waits does not close its connection; so the end is where a silent source's last bytes are those
 * of a stream. A SHUT that comes too early does no harm: the source sends on, and its connection is read until it is closed.
 *
 * @module
 */

import { decodeCommand } from "../format/command.ts";
import { decodeConfiguration } from "../format/configuration.ts";
import { isFormatError } from "../format/error.ts";
import { decodeFileHeader } from "../format/header.ts";
import { ByteReader } from "../format/reader.ts";
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
  return messageBytes(
    // A source that did not ask for it takes it as well.
    { name: "SWITCHOVER_ACK" },
    ...pings.map((value) => ({ name: "PONG" as const, value })),
  );
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
