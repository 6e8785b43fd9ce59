/**
 * migstream decodes QEMU migration streams: saved VM images, captured migrations.
 *
 * The codecs are in `format`, what people ask of a stream is in `analyze`; this module is both.
 *
 * @module
 */

export * from "./format/mod.ts";
export * from "./analyze/mod.ts";
