/**
 * The return path: what the destination of a migration says to its source, on the main connection in the other direction.
 *
 * ```text
 *   0  2 be16  type
 *   2  2 be16  N
 *   4  N       payload
 *
 *   1 SHUT            4     be32 0: the guest has arrived, else an error; the last message
 *   2 PONG            4     be32 value of the PING
 *   3 REQ_PAGES_ID    13+L  be64 start, be32 length, counted string RAM block name
 *   4 REQ_PAGES       12    be64 start, be32 length, in the block of the request before
 *   5 RECV_BITMAP     1+L   counted string RAM block name; behind N: be64 S, S bytes, be64 end mark
 *   6 RESUME_ACK      4     be32 1
 *   7 SWITCHOVER_ACK  0     -
 * ```
 *
 * @module
 */

import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { ByteReader } from "./reader.ts";
import type { ByteSource } from "./source.ts";
import { hex, quoteText } from "./text.ts";
import { ByteWriter } from "./writer.ts";

/** Numbers of the messages (`MIG_RP_MSG_*`). */
export const RETURN_PATH_MESSAGE = {
  SHUT: 1,
  PONG: 2,
  REQ_PAGES_ID: 3,
  REQ_PAGES: 4,
  RECV_BITMAP: 5,
  RESUME_ACK: 6,
  SWITCHOVER_ACK: 7,
} as const;

/** Name of a message. */
export type ReturnPathMessageName = keyof typeof RETURN_PATH_MESSAGE;

const NAMES = new Map<number, ReturnPathMessageName>(
  (Object.entries(RETURN_PATH_MESSAGE) as [ReturnPathMessageName, number][])
    .map(([name, number]) => [number, name]),
);

/** Stands behind the bitmap of RECV_BITMAP (`RAMBLOCK_RECV_BITMAP_ENDING`). */
export const RECV_BITMAP_END_MARK = 0x0123456789abcdefn;

/** Messages that are one number of 32 bits, or nothing. */
export type PlainReturnPathMessage =
  | {
    /** Which message: SHUT's value is 0 where the guest has arrived, PONG's is that of the PING, RESUME_ACK's is 1. */
    readonly name: "SHUT" | "PONG" | "RESUME_ACK";
    /** The number. */
    readonly value: number;
  }
  | {
    /** Which message: the destination is ready for the guest to be stopped. */
    readonly name: "SWITCHOVER_ACK";
  };

/** Asks for pages, while the guest runs at the destination already. */
export interface PageRequestMessage {
  /** Which message: REQ_PAGES means the block of the request before. */
  readonly name: "REQ_PAGES_ID" | "REQ_PAGES";
  /** Name of the RAM block; `undefined` for REQ_PAGES. */
  readonly block: string | undefined;
  /** First byte in the block. */
  readonly startAddress: number;
  /** Bytes. */
  readonly lengthBytes: number;
}

/** Says which pages of a block have arrived, when an interrupted postcopy migration goes on. */
export interface RecvBitmapMessage {
  /** Which message. */
  readonly name: "RECV_BITMAP";
  /** Name of the RAM block. */
  readonly block: string;
  /** A bit for each page, in little-endian words of 64 bits. */
  readonly bitmap: Uint8Array;
}

/** A message of the return path. */
export type ReturnPathMessage = PlainReturnPathMessage | PageRequestMessage | RecvBitmapMessage;

/** Decodes one message. Fails with `bad-return-path`. */
export function decodeReturnPathMessage(
  reader: ByteReader,
  limits: Limits = DEFAULT_LIMITS,
): ReturnPathMessage {
  const offset = reader.offset;
  const type = reader.u16("return path message type");
  const length = reader.u16("return path message length");
  const name = NAMES.get(type);
  if (name === undefined) {
    throw reader.error("bad-return-path", "Cannot decode return path: unknown message type", {
      rule: "MFD-028",
      offset,
      expected: "1..7",
      found: String(type),
    });
  }
  const outer = reader.limit(reader.offset + length);
  const end = reader.offset + length;
  const message = decodePayload(reader, name);
  reader.restoreLimit(outer);
  if (reader.offset !== end) {
    throw reader.error("bad-return-path", `Cannot decode return path: wrong length of ${name}`, {
      rule: "MFD-028",
      offset: offset + 2,
      expected: String(reader.offset - offset - 4),
      found: String(length),
    });
  }
  if (message.name !== "RECV_BITMAP") return message;
  return { ...message, bitmap: decodeBitmap(reader, message.block, limits) };
}

function decodePayload(reader: ByteReader, name: ReturnPathMessageName): ReturnPathMessage {
  switch (name) {
    case "SHUT":
    case "PONG":
    case "RESUME_ACK":
      return { name, value: reader.u32(`${name} value`) };
    case "SWITCHOVER_ACK":
      return { name };
    case "REQ_PAGES_ID":
    case "REQ_PAGES": {
      const startAddress = reader.u64("start of requested pages");
      const lengthBytes = reader.u32("length of requested pages");
      const block = name === "REQ_PAGES" ? undefined : reader.countedString("RAM block name");
      return { name, block, startAddress, lengthBytes };
    }
    case "RECV_BITMAP":
      return { name, block: reader.countedString("RAM block name"), bitmap: new Uint8Array(0) };
  }
}

/** What follows a RECV_BITMAP message, outside of its length. */
function decodeBitmap(reader: ByteReader, block: string, limits: Limits): Uint8Array {
  const what = `bitmap of received pages of ${quoteText(block)}`;
  const offset = reader.offset;
  const bytes = reader.u64(`length of the ${what}`);
  if (bytes % 8 !== 0) {
    throw reader.error("bad-return-path", `Cannot decode ${what}: wrong length`, {
      rule: "MFD-028",
      offset,
      expected: "a multiple of 8",
      found: hex(bytes),
    });
  }
  if (bytes > limits.bitmapBytes) {
    throw reader.error("limit-exceeded", `Cannot read ${what}: too long`, {
      offset,
      expected: `at most ${limits.bitmapBytes} bytes`,
      found: String(bytes),
    });
  }
  const bitmap = reader.bytes(bytes, what);
  const mark = reader.bigU64(`end of the ${what}`);
  if (mark === RECV_BITMAP_END_MARK) return bitmap;
  throw reader.error("bad-return-path", `Cannot decode ${what}: wrong end mark`, {
    rule: "MFD-028",
    offset: reader.offset - 8,
    expected: hex(RECV_BITMAP_END_MARK),
    found: hex(mark),
  });
}

/** Encodes a message. */
export function encodeReturnPathMessage(writer: ByteWriter, message: ReturnPathMessage): void {
  const payload = new ByteWriter(writer.offset + 4);
  encodePayload(payload, message);
  const bytes = payload.finish();
  writer.u16(RETURN_PATH_MESSAGE[message.name], "return path message type");
  writer.u16(bytes.length, "return path message length");
  writer.bytes(bytes);
  if (message.name !== "RECV_BITMAP") return;
  writer.u64(message.bitmap.length, "length of the bitmap");
  writer.bytes(message.bitmap);
  writer.bigU64(RECV_BITMAP_END_MARK, "end of the bitmap");
}

function encodePayload(payload: ByteWriter, message: ReturnPathMessage): void {
  switch (message.name) {
    case "SHUT":
    case "PONG":
    case "RESUME_ACK":
      return payload.u32(message.value, `${message.name} value`);
    case "SWITCHOVER_ACK":
      return;
    case "REQ_PAGES_ID":
    case "REQ_PAGES":
      payload.u64(message.startAddress, "start of requested pages");
      payload.u32(message.lengthBytes, "length of requested pages");
      if (message.name === "REQ_PAGES_ID") {
        payload.countedString(message.block ?? "", "RAM block name");
      }
      return;
    case "RECV_BITMAP":
      return payload.countedString(message.block, "RAM block name");
  }
}

/** A message and where it stands. */
export interface ReturnPathItem {
  /** Absolute offset of its first byte. */
  readonly offset: number;
  /** Bytes, the bitmap of RECV_BITMAP included. */
  readonly lengthBytes: number;
  /** The message. */
  readonly message: ReturnPathMessage;
}

/**
 * The messages of a recorded return path, up to the end or to SHUT: behind SHUT the destination says nothing but COLO's numbers, which
 * are no messages.
 *
 * @throws {FormatError} `bad-return-path`, `truncated`, `limit-exceeded`
 *
 * @example
 * ```ts
 * import { readReturnPath } from "./return_path.ts";
 * import { BytesSource } from "./source.ts";
 *
 * const bytes = new Uint8Array([0, 2, 0, 4, 0, 0, 0, 1, 0, 1, 0, 4, 0, 0, 0, 0]);
 * for (const { message } of readReturnPath(new BytesSource(bytes))) {
 *   console.log(message.name); // PONG, SHUT
 * }
 * ```
 */
export function* readReturnPath(
  source: ByteSource,
  limits: Limits = DEFAULT_LIMITS,
): Generator<ReturnPathItem, void, undefined> {
  const reader = new ByteReader(source, { path: ["return path"], blockBytes: 64 * 1024 });
  while (!reader.atEnd()) {
    const offset = reader.offset;
    const message = decodeReturnPathMessage(reader, limits);
    yield { offset, lengthBytes: reader.offset - offset, message };
    if (message.name === "SHUT") return;
  }
}

/** A message in a few words, for people. */
export function describeReturnPathMessage(message: ReturnPathMessage): string {
  switch (message.name) {
    case "SHUT":
      return message.value === 0 ? "SHUT" : `SHUT (error ${message.value})`;
    case "PONG":
    case "RESUME_ACK":
      return `${message.name} ${message.value}`;
    case "SWITCHOVER_ACK":
      return message.name;
    case "REQ_PAGES_ID":
    case "REQ_PAGES": {
      const range = `${hex(message.startAddress)}+${hex(message.lengthBytes)}`;
      const block = message.block === undefined ? "" : ` ${quoteText(message.block)}`;
      return `${message.name}${block} ${range}`;
    }
    case "RECV_BITMAP":
      return `${message.name} ${quoteText(message.block)} (${message.bitmap.length} bytes)`;
  }
}
