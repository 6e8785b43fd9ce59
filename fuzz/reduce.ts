/**
 * Small streams made of recorded ones: a few pages of each RAM block, a few devices, and the part of the description that is about them.
 * Thousands of them can be tried each second.
 *
 * @module
 */

import type { SectionItem, StreamItem } from "../format/items.ts";
import { JsonNumber, JsonObject, type JsonValue, parseJson } from "../format/json.ts";
import type { RamRun } from "../format/ram_scanner.ts";
import type { RamWriter } from "../format/ram_writer.ts";
import { BytesSink } from "../format/sink.ts";
import { BytesSource } from "../format/source.ts";
import { StreamReader } from "../format/stream.ts";
import { StreamWriter } from "../format/stream_writer.ts";
import { printJson } from "./description.ts";

/** What is kept of a stream. */
export interface Reduction {
  /** Pages of each block. */
  readonly pages: number;
  /** Device sections: each `everyDevice`th, beginning with number `firstDevice`, of at most `deviceBytes`. */
  readonly everyDevice: number;
  /** The first device that is kept. */
  readonly firstDevice: number;
  /** Bytes of a device section. */
  readonly deviceBytes: number;
}

/** A record, its content copied. */
interface Record {
  readonly run: RamRun;
  readonly pageBytes: number;
}

/** A smaller stream; `undefined` if the stream can't be made smaller in this way. */
export function reduceStream(
  bytes: Uint8Array,
  offset: number,
  reduction: Reduction,
): Uint8Array | undefined {
  let records: Record[] = [];
  const sink = new BytesSink();
  let writer = new StreamWriter(sink);
  const reader = new StreamReader(new BytesSource(bytes), {
    offset,
    visitor: { run: (run, pageBytes) => void keepRecords(run, pageBytes, reduction, records) },
  });
  const kept: SectionItem[] = [];
  const outer: { sink: BytesSink; writer: StreamWriter }[] = [];
  let devices = 0;
  for (const item of reader.items()) {
    if (item.depth < outer.length) closePackage();
    const mine = records;
    records = [];
    if (item.kind === "section") {
      if (item.payload?.kind === "ram") {
        if (item.payload.summary.blocks?.some(({ mapped }) => mapped !== undefined)) {
          return undefined;
        }
        writeRam(writer, item, mine, reduction.pages * (reader.pageBytes ?? 4096));
        continue;
      }
      const content = item.device?.bytes ?? item.bytes;
      const isWanted = devices++ % reduction.everyDevice === reduction.firstDevice;
      if (content === undefined || content.length > reduction.deviceBytes || !isWanted) continue;
      kept.push(item);
      writer.section(item.type, item.section, content);
    } else if (item.kind === "command" && item.command.name === "PACKAGED") {
      const nested = new BytesSink();
      outer.push({ sink: nested, writer });
      writer = new StreamWriter(nested);
    } else if (item.kind === "command" && item.command.name === "POSTCOPY_RAM_DISCARD") {
      const ranges = item.command.ranges.filter(({ startAddress, lengthBytes }) =>
        startAddress + lengthBytes <= reduction.pages * 4096
      );
      if (ranges.length > 0) writer.command({ ...item.command, ranges });
    } else if (item.kind === "vmdescription") {
      writer.vmdescription(partOfDescription(item.text, kept));
    } else if (item.kind !== "footer" && item.kind !== "trailing") writer.write(item as StreamItem);
  }
  while (outer.length > 0) closePackage();
  writer.finish();
  return sink.bytes();

  function closePackage(): void {
    const { sink: nested, writer: before } = outer.pop()!;
    writer.finish();
    before.command({ name: "PACKAGED", lengthBytes: nested.lengthBytes });
    before.trailing(nested.bytes());
    writer = before;
  }
}

function keepRecords(run: RamRun, pageBytes: number, { pages }: Reduction, into: Record[]): void {
  for (let index = 0; index < run.count; index++) {
    const address = run.address + index * pageBytes;
    if (run.block !== undefined && address >= pages * pageBytes) return;
    const start = run.dataStart + index * run.strideBytes;
    const buffer = run.buffer.slice(start, start + run.dataBytes);
    into.push({ run: { ...run, address, count: 1, buffer, dataStart: 0 } as RamRun, pageBytes });
  }
}

function writeRam(
  writer: StreamWriter,
  item: SectionItem,
  records: readonly Record[],
  blockBytes: number,
): void {
  if (item.payload?.kind !== "ram") return;
  const { blocks } = item.payload.summary;
  writer.ram(item.type, item.section.id, (ram) => {
    if (blocks !== undefined) {
      ram.blockList(blocks.map((block) => ({
        ...block,
        usedLengthBytes: Math.min(block.usedLengthBytes, blockBytes),
      })));
    }
    for (const { run, pageBytes } of records) writeRecord(ram, run, pageBytes);
    ram.eos();
  });
}

function writeRecord(ram: RamWriter, run: RamRun, pageBytes: number): void {
  const name = run.block?.name ?? "";
  switch (run.kind) {
    case "zero":
      return ram.zero(name, run.address, 1, pageBytes, run.fill);
    case "page":
      return ram.page(name, run.address, run.buffer);
    case "xbzrle":
      return ram.xbzrle(name, run.address, run.buffer);
    case "compressed":
      return ram.compressed(name, run.address, run.buffer);
    case "flush":
      return ram.flush();
  }
}

function partOfDescription(text: Uint8Array, kept: readonly SectionItem[]): Uint8Array {
  const root = parseJson(new TextDecoder().decode(text));
  if (!(root instanceof JsonObject)) return text;
  const names = new Set(kept.map(({ section }) => `${section.idstr} ${section.instanceId}`));
  const isKept = (device: JsonValue): boolean => {
    if (!(device instanceof JsonObject)) return false;
    const [name] = device.getAll("name");
    const [instance] = device.getAll("instance_id");
    return names.has(`${name} ${instance instanceof JsonNumber ? instance.text : ""}`);
  };
  const members = root.members.map(([name, value]): readonly [string, JsonValue] => [
    name,
    name === "devices" && Array.isArray(value) ? (value as JsonValue[]).filter(isKept) : value,
  ]);
  return new TextEncoder().encode(printJson(new JsonObject(members)));
}
