/**
 * What people ask of a stream: its device state, an overview, its memory, its layout.
 *
 * @example The machine and the RAM blocks of an image
 * ```ts
 * import { openInput, readInfo } from "@migstream/migstream/analyze";
 *
 * using input = await openInput("testdata/pc.mig");
 * const { info } = readInfo(input);
 * console.log(info.machine, info.ramBlocks.map((block) => block.name));
 * ```
 *
 * @module
 */

export * from "../container/capture_folder.ts";
export * from "../container/channels.ts";
export * from "../container/inflate.ts";
export * from "../container/libvirt.ts";
export * from "../container/open.ts";
export * from "../container/output_file.ts";
export * from "../container/output_folder.ts";
export * from "../container/sinks.ts";
export * from "../container/snapshot_error.ts";
export * from "../container/wrapper.ts";
export * from "./ascii_buffer.ts";
export * from "./channels/merger.ts";
export * from "./channels/read_input.ts";
export * from "./channels/totals.ts";
export * from "./compat/compat.ts";
export * from "./compat/memory.ts";
export * from "./diff/byte_ranges.ts";
export * from "./diff/changes.ts";
export * from "./diff/diff.ts";
export * from "./diff/guest_ranges.ts";
export * from "./diff/hunks.ts";
export * from "./diff/ignore.ts";
export * from "./diff/memory.ts";
export * from "./diff/page_ranges.ts";
export * from "./diff/sections.ts";
export * from "./diff/side.ts";
export * from "./diff/values.ts";
export { EditError } from "./edit/edit_error.ts";
export * from "./edit/edits.ts";
export { type FieldSlot, type FieldTarget, resolveField } from "./edit/field_path.ts";
export * from "./edit/set_field.ts";
export * from "./extract/blocks.ts";
export * from "./extract/hash.ts";
export * from "./extract/physical.ts";
export * from "./fields.ts";
export * from "./image/build.ts";
export * from "./image/built_memory.ts";
export * from "./image/image.ts";
export * from "./image/load_image.ts";
export * from "./image/main_channel.ts";
export * from "./image/map_stream.ts";
export * from "./image/mapped_ram.ts";
export * from "./image/migration.ts";
export * from "./image/multifd_channels.ts";
export * from "./image/pieces.ts";
export * from "./image/read_image.ts";
export * from "./image/save.ts";
export * from "./image/write_capture.ts";
export { type InfoOptions, readInfo } from "./info.ts";
export * from "./info_model.ts";
export * from "./input_info.ts";
export * from "./layout/layout.ts";
export * from "./layout/explain.ts";
export * from "./layout/row.ts";
export * from "./load_vmdescription.ts";
export * from "./memory/block_writer.ts";
export * from "./memory/completeness.ts";
export * from "./memory/given_map.ts";
export * from "./memory/guest.ts";
export * from "./memory/guest_memory.ts";
export * from "./memory/machine_map.ts";
export * from "./memory/memory_view.ts";
export * from "./memory/open_memory.ts";
export * from "./memory/ordered_memory.ts";
export * from "./memory/page_table.ts";
export * from "./memory/page_tracker.ts";
export * from "./memory/physical_map.ts";
export * from "./memory/ram_extractor.ts";
export * from "./registers/mod.ts";
export * from "./rich/rich.ts";
export * from "./rich/state.ts";
export * from "./hex_dump.ts";
export * from "./roundtrip/channels.ts";
export * from "./roundtrip/compare_channel.ts";
export * from "./roundtrip/explain_difference.ts";
export * from "./roundtrip/roundtrip.ts";
export * from "./search/literal.ts";
export * from "./search/matcher.ts";
export * from "./search/ranges.ts";
export * from "./search/regex.ts";
export * from "./search/search.ts";
export * from "./state.ts";
export * from "./validate/against/destination.ts";
export * from "./validate/against/load.ts";
export * from "./validate/check.ts";
export * from "./validate/finding_json.ts";
export * from "./validate/findings.ts";
export * from "./validate/json.ts";
export * from "./validate/rule.ts";
export * from "./validate/rules/mod.ts";
export * from "./validate/sarif.ts";
export * from "./validate/validate.ts";
export * from "./validate/validate_input.ts";
