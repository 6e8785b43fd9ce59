/**
 * What an input is that is not a stream, told by its first bytes.
 *
 * @module
 */

import { FormatError } from "../format/error.ts";
import { STREAM_MAGIC } from "../format/header.ts";
import { ByteReader } from "../format/reader.ts";
import type { ByteSource } from "../format/source.ts";
import { hexBytes } from "../format/text.ts";

/** First bytes, as text of one character a byte, and what they mean. */
const SIGNATURES: readonly (readonly [signature: string, meaning: string])[] = [
  ["LibvirtQemudPart", "an incomplete libvirt save image"],
  ["QFI\xfb", "a qcow2 image"],
  ["\x1f\x8b", "gzip data: decompress it into standard input (zcat FILE | ... -)"],
  ["BZh", "bzip2 data: decompress it into standard input (bzcat FILE | ... -)"],
  ["\xfd7zXZ\0", "xz data: decompress it into standard input (xzcat FILE | ... -)"],
  ["\x89LZO\0\r\n\x1a\n", "lzop data: decompress it into standard input (lzop -dc FILE | ... -)"],
  ["\x28\xb5\x2f\xfd", "zstd data: decompress it into standard input (zstdcat FILE | ... -)"],
  ["\x11\x22\x33\x44\0\0\0\x01", "a captured multifd channel, not the main one"],
  ["QCPR", "a captured CPR channel"],
  ["\x7fELF", "an ELF file, perhaps of dump-guest-memory"],
  ["EMiL", "a LiME memory image"],
  ["\x16\x03", "a TLS connection: it is encrypted"],
];

/** Programs that decompress the formats of libvirt save images, by the number in the header; raw and sparse need none. */
const LIBVIRT_DECOMPRESSORS = ["", "zcat", "bzcat", "xzcat", "lzop -dc", "zstdcat", ""];

const LIBVIRT_MAGIC = "LibvirtQemudSave";
/** Bytes of a libvirt save image's header, behind which the data length counts. */
const LIBVIRT_HEADER_BYTES = 92;

/**
 * Fails if a file that can be read at any position does not begin with a stream, and says what it looks like.
 *
 * @throws {FormatError} `bad-magic`
 */
export function expectStream(source: ByteSource, offset: number): void {
  if (!source.seekable) return;
  const head = new ByteReader(source, { offset, blockBytes: 128 }).peek(LIBVIRT_HEADER_BYTES);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  // Files too short for a magic number fail in the decoder, with the bytes that are missing.
  if (head.length < 4 || view.getUint32(0) === STREAM_MAGIC) return;
  const looks = libvirtText(head, view, offset) ?? signatureText(head);
  throw new FormatError("bad-magic", `Not a migration stream${looks}`, {
    offset,
    expected: '"QEVM" (51 45 56 4d)',
    found: hexBytes(head.subarray(0, 4)),
  });
}

function signatureText(head: Uint8Array): string {
  const text = String.fromCharCode(...head.subarray(0, 16));
  const found = SIGNATURES.find(([signature]) => text.startsWith(signature));
  return found === undefined ? "" : `: this looks like ${found[1]}`;
}

function libvirtText(head: Uint8Array, view: DataView, offset: number): string | undefined {
  const isLibvirt = String.fromCharCode(...head.subarray(0, 16)) === LIBVIRT_MAGIC;
  if (!isLibvirt || head.length < LIBVIRT_HEADER_BYTES) return undefined;
  // The header is in the byte order of the host that saved it.
  const isLittle = view.getUint32(16, true) <= 2;
  const start = offset + LIBVIRT_HEADER_BYTES + view.getUint32(20, isLittle);
  const decompressor = LIBVIRT_DECOMPRESSORS[view.getUint32(28, isLittle)] ?? "";
  return ": this looks like a libvirt save image; " +
    (decompressor === ""
      ? `its stream starts at --offset ${start}`
      : `its stream: tail -c +${start + 1} FILE | ${decompressor} | ... -`);
}
