/**
 * migstream decodes, encodes, checks and compares QEMU migration streams: saved VM images, captured migrations.
 *
 * This module has what most programs need: open an image, look at it, read its memory, check it, write it. Every codec is in
 * `@migstream/migstream/format`, everything that people ask of a stream in `@migstream/migstream/analyze`.
 *
 * @example The machine and the RAM blocks of an image
 * ```ts
 * import { openInput, readInfo } from "@migstream/migstream";
 *
 * using input = await openInput("testdata/pc.mig");
 * const { info } = readInfo(input);
 * console.log(info.machine, info.ramBlocks.map((block) => block.name));
 * ```
 *
 * @module
 */

export { type OpenInput, openInput, type OpenOptions } from "./container/open.ts";
export { OutputFolder } from "./container/output_folder.ts";
export { type ByteSource, BytesSource } from "./format/source.ts";
export { type ByteSink, BytesSink } from "./format/sink.ts";
export { FormatError, type FormatErrorCode, isFormatError } from "./format/error.ts";
export { StreamReader, type StreamReaderOptions } from "./format/stream.ts";
export { StreamWriter, type StreamWriterOptions } from "./format/stream_writer.ts";
export type { DeviceState, SectionItem, StreamItem } from "./format/items.ts";
export type { StreamVisitor } from "./format/payload.ts";
export { type VmstateValue, vmstateValue } from "./format/vmstate_value.ts";
export { readInfo } from "./analyze/info.ts";
export type { StreamInfo } from "./analyze/info_model.ts";
export { readState, type StreamState } from "./analyze/state.ts";
export { DeviceFields } from "./analyze/fields.ts";
export { GuestMemory } from "./analyze/memory/guest_memory.ts";
export type { MemoryView, PageRun } from "./analyze/memory/memory_view.ts";
export { type MemoryOfGuest, readGuestMemory } from "./analyze/memory/open_memory.ts";
export { PAGE_KIND, type PageKind } from "./analyze/memory/page_table.ts";
export { readCpuStates } from "./analyze/registers/mod.ts";
export { type Assignment, setFields } from "./analyze/edit/set_field.ts";
export { diffGuests, type GuestDiff } from "./analyze/diff/diff.ts";
export { type DiffSide, readDiffSide } from "./analyze/diff/side.ts";
export { buildImage, type ImagePlan } from "./analyze/image/build.ts";
export type { GuestImage } from "./analyze/image/image.ts";
export { loadImage } from "./analyze/image/load_image.ts";
export { imageOf } from "./analyze/image/read_image.ts";
export { imageBytes, saveImage, type SaveOptions } from "./analyze/image/save.ts";
export type { Validation } from "./analyze/validate/validate.ts";
export { validateInput } from "./analyze/validate/validate_input.ts";
