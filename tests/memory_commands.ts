/**
 * Streams with memory, for the tests of commands.
 *
 * @module
 */

import { encodePage, encodeRamEos, encodeRamWord, RAM_SAVE_FLAG } from "../format/ram.ts";
import { encodeBlockEntry } from "../format/ram_blocks.ts";
import { StreamBuilder } from "./streams.ts";

/** A stream whose memory has blocks with the given content; pages behind it are never sent. */
export function memoryStream(
  blocks: readonly (readonly [name: string, pages: number, content: Uint8Array])[],
  pageBytes = 4096,
): Uint8Array {
  const total = blocks.reduce((sum, [, pages]) => sum + pages * pageBytes, 0);
  const subsections = [{
    name: "configuration/target-page-bits",
    targetPageBits: Math.log2(pageBytes),
  }] as const;
  return new StreamBuilder().configuration({ subsections }).section("start", 1, "ram", (writer) => {
    encodeRamWord(writer, total, RAM_SAVE_FLAG.MEM_SIZE);
    for (const [index, [name, pages]] of blocks.entries()) {
      const entryOffset = writer.offset;
      const usedLengthBytes = pages * pageBytes;
      encodeBlockEntry(writer, { name, index, usedLengthBytes, entryOffset, entryBytes: 0 });
    }
    for (const [block, , content] of blocks) {
      for (let address = 0; address < content.length; address += pageBytes) {
        const page = new Uint8Array(pageBytes);
        page.set(content.subarray(address, address + pageBytes));
        encodePage(writer, { block, address }, page);
      }
    }
    encodeRamEos(writer);
  }, { versionId: 4 }).eof().description({ page_size: pageBytes, devices: [] }).bytes();
}
