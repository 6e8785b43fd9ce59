/**
 * Commands between sections.
 *
 * ```text
 *   0    1 u8    0x08
 *   1    2 be16  command
 *   3    2 be16  N
 *   5    N       payload; PACKAGED's 4 bytes are the length M of a nested stream that follows outside of N
 * ```
 *
 * @module
 */

import type { ByteReader } from "./reader.ts";
import { SECTION_TYPE } from "./section.ts";
import { decodeText, quoteText } from "./text.ts";
import { ByteWriter } from "./writer.ts";

/** Numbers of the commands (`MIG_CMD_*`). */
export const COMMAND = {
  OPEN_RETURN_PATH: 1,
  PING: 2,
  POSTCOPY_ADVISE: 3,
  POSTCOPY_LISTEN: 4,
  POSTCOPY_RUN: 5,
  POSTCOPY_RAM_DISCARD: 6,
  PACKAGED: 7,
  ENABLE_COLO: 8,
  POSTCOPY_RESUME: 9,
  RECV_BITMAP: 10,
  SWITCHOVER_START: 11,
} as const;

/** Name of a command. */
export type CommandName = keyof typeof COMMAND;

const NAMES = new Map<number, CommandName>(
  (Object.entries(COMMAND) as [CommandName, number][]).map(([name, number]) => [number, name]),
);

/** A command without payload. */
export interface PlainCommand {
  /** Which command. */
  readonly name:
    | "OPEN_RETURN_PATH"
    | "POSTCOPY_LISTEN"
    | "POSTCOPY_RUN"
    | "ENABLE_COLO"
    | "POSTCOPY_RESUME"
    | "SWITCHOVER_START";
}

/** Asks the destination to answer with the same value on the return path. */
export interface PingCommand {
  /** Which command. */
  readonly name: "PING";
  /** Value to be answered. */
  readonly value: number;
}

/** Announces that postcopy may follow. */
export interface PostcopyAdviseCommand {
  /** Which command. */
  readonly name: "POSTCOPY_ADVISE";
  /** Absent where only dirty bitmaps can be postcopied (an empty payload). */
  readonly pages?: {
    /** The page sizes of all RAM blocks, in bytes, combined by bitwise or. */
    readonly pageSizeSummary: number;
    /** Target page size in bytes. */
    readonly targetPageBytes: number;
  };
}

/** A range of bytes in a RAM block. */
export interface DiscardRange {
  /** First byte in the block. */
  readonly startAddress: number;
  /** Bytes. */
  readonly lengthBytes: number;
}

/** Drops pages that were sent and have changed since. */
export interface RamDiscardCommand {
  /** Which command. */
  readonly name: "POSTCOPY_RAM_DISCARD";
  /** Name of the RAM block. */
  readonly block: string;
  /** Ranges to drop. */
  readonly ranges: readonly DiscardRange[];
}

/** A nested stream of known length follows. */
export interface PackagedCommand {
  /** Which command. */
  readonly name: "PACKAGED";
  /** Bytes of the nested stream. */
  readonly lengthBytes: number;
}

/** Asks for the bitmap of received pages of a block. */
export interface RecvBitmapCommand {
  /** Which command. */
  readonly name: "RECV_BITMAP";
  /** Name of the RAM block. */
  readonly block: string;
}

/** A command. */
export type Command =
  | PlainCommand
  | PingCommand
  | PostcopyAdviseCommand
  | RamDiscardCommand
  | PackagedCommand
  | RecvBitmapCommand;

/** Decodes a command behind its type byte. */
export function decodeCommand(reader: ByteReader): Command {
  const offset = reader.offset;
  const number = reader.u16("command number");
  const length = reader.u16("command length");
  const name = NAMES.get(number);
  if (name === undefined) {
    throw reader.error("bad-command", "Cannot decode command: unknown number", {
      offset,
      expected: "1..11",
      found: String(number),
      rule: "CMD-001",
    });
  }
  const payloadOffset = reader.offset;
  const command = decodePayload(reader, name, length);
  if (reader.offset !== payloadOffset + length) throw wrongLength(reader, name, length, offset);
  return command;
}

function wrongLength(reader: ByteReader, name: CommandName, length: number, offset: number): Error {
  return reader.error("bad-command", `Cannot decode command ${name}: wrong payload length`, {
    offset: offset + 2,
    found: String(length),
    rule: LENGTH_RULES[name] ?? "CMD-002",
  });
}

/** The rules about lengths of those commands whose length varies. */
const LENGTH_RULES: Partial<Record<CommandName, string>> = {
  POSTCOPY_ADVISE: "CMD-003",
  RECV_BITMAP: "CMD-013",
};

function decodePayload(reader: ByteReader, name: CommandName, length: number): Command {
  switch (name) {
    case "PING":
      return { name, value: reader.u32("PING value") };
    case "POSTCOPY_ADVISE":
      if (length === 0) return { name };
      return {
        name,
        pages: {
          pageSizeSummary: reader.u64("page size summary"),
          targetPageBytes: reader.u64("target page size"),
        },
      };
    case "POSTCOPY_RAM_DISCARD":
      return decodeRamDiscard(reader, length);
    case "PACKAGED":
      return { name, lengthBytes: reader.u32("package length") };
    case "RECV_BITMAP":
      return { name, block: reader.countedString("RAM block name") };
    default:
      return { name };
  }
}

function decodeRamDiscard(reader: ByteReader, length: number): RamDiscardCommand {
  const offset = reader.offset;
  const version = reader.u8("discard version");
  const block = reader.countedBytes("RAM block name");
  const terminator = reader.u8("end of RAM block name");
  const rangeBytes = length - (reader.offset - offset);
  if (version !== 0 || terminator !== 0 || rangeBytes <= 0 || rangeBytes % 16 !== 0) {
    throw reader.error("bad-command", "Cannot decode command POSTCOPY_RAM_DISCARD", {
      offset,
      expected: "version 0, a NUL behind the name, and one or more ranges of 16 bytes",
      found: `version ${version}, ${terminator}, ${rangeBytes} bytes of ranges`,
      rule: "CMD-007",
    });
  }
  const ranges = Array.from({ length: rangeBytes / 16 }, () => ({
    startAddress: reader.u64("discard start"),
    lengthBytes: reader.u64("discard length"),
  }));
  return { name: "POSTCOPY_RAM_DISCARD", block: decodeText(block), ranges };
}

/** Encodes a command, its type byte included. A PACKAGED command's nested stream is for the caller to write. */
export function encodeCommand(writer: ByteWriter, command: Command): void {
  const payload = new ByteWriter(writer.offset + 5);
  encodePayload(payload, command);
  const bytes = payload.finish();
  writer.u8(SECTION_TYPE.COMMAND, "command");
  writer.u16(COMMAND[command.name], "command number");
  writer.u16(bytes.length, "command length");
  writer.bytes(bytes);
}

function encodePayload(payload: ByteWriter, command: Command): void {
  switch (command.name) {
    case "PING":
      return payload.u32(command.value, "PING value");
    case "POSTCOPY_ADVISE":
      if (command.pages === undefined) return;
      payload.u64(command.pages.pageSizeSummary, "page size summary");
      return payload.u64(command.pages.targetPageBytes, "target page size");
    case "POSTCOPY_RAM_DISCARD":
      payload.u8(0, "discard version");
      payload.countedString(command.block, "RAM block name");
      payload.u8(0, "end of RAM block name");
      for (const range of command.ranges) {
        payload.u64(range.startAddress, "discard start");
        payload.u64(range.lengthBytes, "discard length");
      }
      return;
    case "PACKAGED":
      return payload.u32(command.lengthBytes, "package length");
    case "RECV_BITMAP":
      return payload.countedString(command.block, "RAM block name");
  }
}

/** A command in a few words, for people. */
export function describeCommand(command: Command): string {
  switch (command.name) {
    case "PING":
      return `PING ${command.value}`;
    case "POSTCOPY_ADVISE":
      return command.pages === undefined
        ? "POSTCOPY_ADVISE (dirty bitmaps only)"
        : `POSTCOPY_ADVISE (page sizes 0x${command.pages.pageSizeSummary.toString(16)}, ` +
          `target page ${command.pages.targetPageBytes})`;
    case "POSTCOPY_RAM_DISCARD":
      return `POSTCOPY_RAM_DISCARD ${quoteText(command.block)} (${command.ranges.length} ranges)`;
    case "PACKAGED":
      return `PACKAGED (${command.lengthBytes} bytes)`;
    case "RECV_BITMAP":
      return `RECV_BITMAP ${quoteText(command.block)}`;
    default:
      return command.name;
  }
}
