/**
 * What the tests of the writer of streams share: decoding and encoding, and comparing long runs of bytes.
 *
 * @module
 */

import type { StreamItem } from "../format/items.ts";
import type { SectionIdentity } from "../format/section.ts";
import { BytesSink } from "../format/sink.ts";
import type { ByteSource } from "../format/source.ts";
import { StreamReader, type StreamReaderOptions } from "../format/stream.ts";
import { StreamWriter } from "../format/stream_writer.ts";

/** Decodes and encodes. */
export function recode(
  source: ByteSource,
  options: StreamReaderOptions = {},
): { bytes: Uint8Array; writer: StreamWriter; items: StreamItem[] } {
  const sink = new BytesSink();
  const writer = new StreamWriter(sink, { offset: options.offset ?? 0 });
  const reader = new StreamReader(source, { ...options, visitor: writer.visitor });
  const items: StreamItem[] = [];
  for (const item of reader.items()) {
    writer.write(item);
    items.push(item);
  }
  writer.finish();
  return { bytes: sink.bytes(), writer, items };
}

/** Fails at the first byte that differs: comparing long arrays with `assertEquals` takes seconds. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array, label: string): void {
  const most = Math.max(actual.length, expected.length);
  for (let at = 0; at < most; at++) {
    if (actual[at] === expected[at]) continue;
    throw new Error(`${label}: byte ${at} is ${actual[at]}, not ${expected[at]}`);
  }
}

/** Writes a stream by hand. */
export function made(make: (writer: StreamWriter) => void): Uint8Array<ArrayBuffer> {
  const sink = new BytesSink();
  const writer = new StreamWriter(sink);
  make(writer);
  writer.finish();
  return sink.bytes();
}

/** The identity of a section made by hand. */
export function identity(id: number, idstr: string, versionId = 1): SectionIdentity {
  return { id, idstr, instanceId: 0, versionId };
}
