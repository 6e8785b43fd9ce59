/**
 * Codecs of the QEMU migration stream: bytes to values and back, without files, without opinions.
 *
 * Three levels: `decodeX` / `encodeX` for each structure; {@link RamScanner} for RAM payloads, run by run; {@link StreamReader} for whole
 * streams, item by item.
 *
 * @example Every item of a stream
 * ```ts
 * import { BytesSource, StreamReader } from "@migstream/migstream/format";
 *
 * const bytes = await Deno.readFile("testdata/none.mig");
 * for (const item of new StreamReader(new BytesSource(bytes)).items()) {
 *   console.log(item.offset, item.lengthBytes, item.kind);
 * }
 * ```
 *
 * @module
 */

export * from "./error.ts";
export * from "./source.ts";
export * from "./reader.ts";
export * from "./return_path.ts";
export * from "./writer.ts";
export * from "./sink.ts";
export * from "./text.ts";
export * from "./limits.ts";
export * from "./header.ts";
export * from "./configuration.ts";
export * from "./section.ts";
export * from "./section_pieces.ts";
export * from "./command.ts";
export * from "./ram.ts";
export * from "./ram_blocks.ts";
export * from "./ram_scanner.ts";
export * from "./mapped_ram.ts";
export * from "./multifd/flags.ts";
export * from "./multifd/initial_packet.ts";
export * from "./multifd/packet_header.ts";
export * from "./multifd/offsets.ts";
export * from "./multifd/page_payload.ts";
export * from "./multifd/qatzip.ts";
export * from "./multifd/packet.ts";
export * from "./multifd/compression.ts";
export * from "./multifd/channel.ts";
export * from "./multifd/channel_writer.ts";
export * from "./xbzrle.ts";
export * from "./elf_core.ts";
export * from "./lime.ts";
export * from "./page_size.ts";
export * from "./json.ts";
export * from "./json_print.ts";
export * from "./vmdescription.ts";
export * from "./vmstate.ts";
export * from "./vmstate_types.ts";
export { SUBSECTIONS, type VmstateItem, type VmstateValue, vmstateValue } from "./vmstate_value.ts";
export * from "./vmstate_encode.ts";
export * from "./vmdescription_text.ts";
export * from "./vmdescription_cut.ts";
export * from "./chunk.ts";
export * from "./dirty_bitmap.ts";
export * from "./dirty_bitmap_chunk.ts";
export * from "./dirty_bits.ts";
export * from "./dirty_granules.ts";
export * from "./spapr_htab.ts";
export * from "./s390_storage_attributes.ts";
export * from "./s390_skeys.ts";
export * from "./todclock.ts";
export * from "./slirp.ts";
export * from "./block_migration.ts";
export * from "./vfio.ts";
export * from "./pbs_state.ts";
export * from "./pointer_arrays.ts";
export * from "./global_state.ts";
export * from "./cpr.ts";
export * from "./virtio.ts";
export * from "./virtio_subsections.ts";
export * from "./pci.ts";
export * from "./pci_interrupts.ts";
export * from "./boundary.ts";
export * from "./device.ts";
export * from "./payload.ts";
export * from "./items.ts";
export * from "./stream.ts";
export * from "./byte_runs.ts";
export * from "./ram_writer.ts";
export * from "./payload_writer.ts";
export * from "./stream_writer.ts";
