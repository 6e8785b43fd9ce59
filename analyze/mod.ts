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

export * from "../container/channels.ts";
export * from "../container/inflate.ts";
export * from "../container/libvirt.ts";
export * from "../container/open.ts";
export * from "../container/output_file.ts";
export * from "../container/output_folder.ts";
export * from "../container/snapshot_error.ts";
export * from "../container/wrapper.ts";
export * from "./ascii_buffer.ts";
export * from "./channels/merger.ts";
export * from "./channels/read_input.ts";
export * from "./channels/totals.ts";
export * from "./compat/compat.ts";
export * from "./compat/memory.ts";
export * from "./extract/blocks.ts";
export * from "./extract/hash.ts";
export * from "./extract/physical.ts";
export * from "./fields.ts";
export * from "./info.ts";
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
export * from "./search/literal.ts";
export * from "./search/matcher.ts";
export * from "./search/ranges.ts";
export * from "./search/regex.ts";
export * from "./search/search.ts";
export * from "./state.ts";
