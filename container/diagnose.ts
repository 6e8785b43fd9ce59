/**
 * What an input looks like in which neither a stream nor a wrapper was recognised.
 *
 * @module
 */

import { FormatError } from "../format/error.ts";
import type { ByteSource } from "../format/source.ts";
import { hexBytes } from "../format/text.ts";
import { headText, MULTIFD_START, recogniseChannel } from "./recognise.ts";
import { findStreams, type FoundStream } from "./search.ts";

/** First bytes, as text of one character a byte, and what they mean. */
const SIGNATURES: readonly (readonly [signature: string, meaning: string])[] = [
  [
    MULTIFD_START,
    "a captured multifd channel, not the main one: give the folder with all channels",
  ],
  ["QCPR", "a captured CPR channel, not the main one"],
  ["\x7fELF", "an ELF file, perhaps a core of dump-guest-memory"],
  ["EMiL", "a LiME memory image"],
  ["\x16\x03", "a TLS connection: it is encrypted"],
  ["KDMV", "a VMDK disk image"],
  ["# Disk DescriptorFile", "a VMDK disk image"],
  ["<<< ", "a VDI disk image"],
  ["vhdxfile", "a VHDX disk image"],
  ["conectix", "a VHD disk image"],
  ["QED\0", "a QED disk image"],
  ["LUKS\xba\xbe", "a LUKS volume: it is encrypted"],
  ["PK\x03\x04", "a ZIP archive"],
  ["<?xml", "XML"],
  ["<domain", "the XML of a libvirt domain"],
];

/**
 * The error for an input in which nothing was recognised at `offset`: what it looks like, and where in it a stream might be.
 */
export function notAStream(source: ByteSource, offset: number, head: Uint8Array): FormatError {
  const expected = '"QEVM" (51 45 56 4d)';
  const path = source.label === undefined ? [] : [source.label];
  if (head.length === 0) {
    const problem = offset === 0 ? "the input is empty" : "the input ends where it should begin";
    const details = { offset: source.sizeBytes ?? offset, path, expected, found: "nothing" };
    return new FormatError("truncated", `Not a migration stream: ${problem}`, details);
  }
  const surely = signatureText(head);
  const found = surely === undefined && source.seekable ? findStreams(source, offset) : [];
  const looks = surely ?? vagueText(head);
  const problem = looks === undefined ? "" : `: this looks like ${looks}`;
  return new FormatError("bad-magic", `Not a migration stream${problem}`, {
    offset,
    path,
    expected,
    found: hexBytes(head.subarray(0, 4)) + found.map(foundText).join(""),
  });
}

function foundText({ what, offset }: FoundStream): string {
  return `, and what may be ${what} at --offset ${offset}`;
}

/** What a magic number, or the form of a channel, says. */
function signatureText(head: Uint8Array): string | undefined {
  const text = headText(head);
  const found = SIGNATURES.find(([signature]) => text.startsWith(signature));
  if (found !== undefined) return found[1];
  if (text.startsWith("ustar", 257)) return "a tar archive";
  const role = recogniseChannel(head)?.role;
  if (role === "return-path") return "the return path of a migration, not the main channel";
  return role === "preempt" ? "a captured preempt channel, not the main one" : undefined;
}

/** What the bytes look like where nothing identifies them. */
function vagueText(head: Uint8Array): string | undefined {
  if (head[510] === 0x55 && head[511] === 0xaa) return "a raw disk image: it has a boot sector";
  if (head.every((byte) => byte === 0)) return "zeros";
  const text = headText(head);
  if (/^\s*[[{]\s*["{[]/.test(text)) return "JSON";
  return /^[\t\n\r -~]*$/.test(text) ? "text" : undefined;
}
