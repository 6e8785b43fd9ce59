/**
 * Sinks on files: holes stay holes, and what was written is what is read.
 */
import { assert, assertEquals } from "@std/assert";
import { OutputFile } from "../container/output_file.ts";
import { FileSink } from "../container/sinks.ts";
import { BytesSource } from "../format/source.ts";
import { StreamReader } from "../format/stream.ts";
import { StreamWriter } from "../format/stream_writer.ts";
import { withFolder } from "./process.ts";
import { loadStream } from "./testdata.ts";

Deno.test("sinks: a mapped-ram stream is written to a file, its zeros as holes", async () => {
  const bytes = loadStream("pc-mapped");
  await withFolder((folder) => {
    const path = `${folder}/copy.mig`;
    using file = new OutputFile(path, { sync: false });
    const sink = new FileSink(file);
    const writer = new StreamWriter(sink);
    const reader = new StreamReader(new BytesSource(bytes), { visitor: writer.visitor });
    for (const item of reader.items()) writer.write(item);
    writer.finish();
    sink.finish();
    assertEquals(sink.position, bytes.length);
    file.commit();
    assert(Deno.readFileSync(path).every((byte, index) => byte === bytes[index]));
    const { size, blocks } = Deno.statSync(path);
    assertEquals(size, bytes.length);
    // File systems without holes, and Windows, tell another number, or none.
    assert(blocks === null || blocks * 512 <= size + 65536);
    return Promise.resolve();
  });
});

Deno.test("sinks: a file that ends with a hole is as long as it should be", async () => {
  await withFolder((folder) => {
    const path = `${folder}/holes`;
    using file = new OutputFile(path, { sync: false });
    const sink = new FileSink(file, 10);
    sink.write(Uint8Array.of(1, 2));
    sink.hole(5000);
    sink.write(Uint8Array.of(3));
    sink.hole(100_000);
    sink.finish();
    file.commit();
    const written = Deno.readFileSync(path);
    assertEquals(written.length, 10 + 2 + 5000 + 1 + 100_000);
    const set = [...written.entries()].filter(([, byte]) => byte !== 0);
    assertEquals(set, [[10, 1], [11, 2], [5012, 3]]);
    return Promise.resolve();
  });
});
