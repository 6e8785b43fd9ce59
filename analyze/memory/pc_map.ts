/**
 * The physical map of a PC: where its memory is split, and which ROM is seen before it.
 *
 * ```text
 * 0 ............ 0xc0000    main memory (0xa0000..0xbffff may be hidden by a VGA adapter)
 * 0xc0000 ...... 0xfffff    13 regions, each RAM or ROM by the chipset's PAM registers: pc.rom, then the last 128 KiB of pc.bios
 * 0x100000 ..... below      main memory
 * 4 GiB - size . 4 GiB      pc.bios
 * 4 GiB ......              the rest of the main memory
 * ```
 *
 * @module
 */

import type { RamBlock } from "../../format/ram.ts";
import { deviceFields, type Guest, UnknownMapError } from "./guest.ts";
import type { PhysicalRange } from "./physical_map.ts";

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** Unit of the sizes in the CMOS. */
const CMOS_UNIT_BYTES = 64 * KIB;

/** Option ROMs begin here. */
const ROM_START = 0xc0000;
/** The firmware's part below 1 MiB begins here. */
const BIOS_START = 0xe0000;

/** Memory sizes as the firmware is told them. */
interface CmosSizes {
  /** Bytes below 4 GiB, to 64 KiB; 0 if less than 16 MiB. */
  readonly below: number;
  /** Bytes above 4 GiB. */
  readonly above: number;
}

function cmosSizes({ state }: Guest): CmosSizes | undefined {
  const cmos = deviceFields(state, /^mc146818rtc$/)?.bytes("cmos_data");
  if (cmos === undefined || cmos.length < 0x5e) return undefined;
  const low = cmos[0x34]! | cmos[0x35]! << 8;
  const high = cmos[0x5b]! | cmos[0x5c]! << 8 | cmos[0x5d]! << 16;
  return {
    below: low === 0 ? 0 : low * CMOS_UNIT_BYTES + 16 * MIB,
    above: high * CMOS_UNIT_BYTES,
  };
}

/** Whether `ramBytes` of main memory are what the CMOS says. */
function fits(ramBytes: number, { below, above }: CmosSizes): boolean {
  const rest = ramBytes - above;
  if (below === 0) return above === 0 && ramBytes < 16 * MIB + CMOS_UNIT_BYTES;
  return rest >= below && rest < below + CMOS_UNIT_BYTES;
}

/** Finds where the blocks of a PC stand. */
export function pcRanges(
  guest: Guest,
  candidates: readonly RamBlock[],
  below4gBytes: number | undefined,
): { ranges: PhysicalRange[]; notes: string[] } {
  const notes: string[] = [];
  const cmos = cmosSizes(guest);
  const mains = mainBlocks(candidates, cmos, notes);
  const ramBytes = mains.reduce((sum, { usedLengthBytes }) => sum + usedLengthBytes, 0);
  const below = below4gBytes ?? splitOf(guest, ramBytes, cmos);
  if (below > Math.min(ramBytes, 4 * GIB)) {
    throw new UnknownMapError(`the guest has less memory than ${below} bytes below 4 GiB`);
  }
  const memory = [
    { guestAddress: 0, start: 0, end: below },
    { guestAddress: 4 * GIB, start: below, end: ramBytes },
  ];
  const roms = romRanges(guest);
  const ranges: PhysicalRange[] = [...roms];
  for (const { guestAddress, start, end } of memory) {
    for (const piece of holed({ guestAddress, start, end }, roms)) {
      ranges.push(...cut(mains, piece));
    }
  }
  return { ranges, notes };
}

/** The main memory: one block, or one for each NUMA node. */
function mainBlocks(
  candidates: readonly RamBlock[],
  cmos: CmosSizes | undefined,
  notes: string[],
): readonly RamBlock[] {
  const usual = candidates.find(({ name }) => name === "pc.ram" || name === "microvm.ram");
  if (usual !== undefined) return [usual];
  const [only] = candidates;
  if (only === undefined) throw new UnknownMapError("no main memory is among the RAM blocks");
  if (candidates.length === 1) return candidates;
  const alone = candidates.filter(({ usedLengthBytes }) =>
    cmos !== undefined && fits(usedLengthBytes, cmos)
  );
  if (alone.length === 1) return alone;
  const total = candidates.reduce((sum, { usedLengthBytes }) => sum + usedLengthBytes, 0);
  if (cmos !== undefined && fits(total, cmos)) {
    const nodes = candidates.toSorted((a, b) =>
      a.name.localeCompare(b.name, "en", { numeric: true })
    );
    notes.push(
      `several memory backends: taken for NUMA nodes in the order ${
        nodes.map(({ name }) => name).join(", ")
      }`,
    );
    return nodes;
  }
  throw new UnknownMapError(
    `main memory may be any of ${candidates.map(({ name }) => name).join(", ")}`,
  );
}

/** Bytes below 4 GiB: what the CMOS says if it says something possible, else by the machine type's rule. */
function splitOf(guest: Guest, ramBytes: number, cmos: CmosSizes | undefined): number {
  if (cmos !== undefined && fits(ramBytes, cmos)) return ramBytes - cmos.above;
  return ruleSplit(guest, ramBytes);
}

/** The machine types' rules: up to `all` everything is below 4 GiB, of more than that `below`. */
function ruleSplit({ machine = "", state }: Guest, ramBytes: number): number {
  const isQ35 = machine.startsWith("pc-q35-") ||
    state.entries.some(({ section }) => section.idstr.endsWith("/mch"));
  if (machine === "isapc") return Math.min(ramBytes, 4 * GIB);
  if (machine === "microvm") return Math.min(ramBytes, 3 * GIB);
  if (isQ35) return ramBytes < 2.75 * GIB ? ramBytes : 2 * GIB;
  if (ramBytes < 3.5 * GIB) return ramBytes;
  // Types before 2.0 did not care for whole gigabytes.
  return /^pc-(i440fx-1\.|[01]\.)/.test(machine) ? 3.5 * GIB : 3 * GIB;
}

interface MemoryPiece {
  readonly guestAddress: number;
  /** Place in the main memory of the first byte. */
  readonly start: number;
  /** Place in the main memory behind the last byte. */
  readonly end: number;
}

/** A piece of main memory without what ROMs hide of it. */
function holed(piece: MemoryPiece, roms: readonly PhysicalRange[]): MemoryPiece[] {
  const pieces: MemoryPiece[] = [];
  let { guestAddress, start } = piece;
  const endAddress = guestAddress + piece.end - start;
  const push = (to: number) => {
    if (to > guestAddress) pieces.push({ guestAddress, start, end: start + to - guestAddress });
  };
  for (const rom of roms.toSorted((a, b) => a.guestAddress - b.guestAddress)) {
    const romEnd = rom.guestAddress + rom.lengthBytes;
    if (romEnd <= guestAddress || rom.guestAddress >= endAddress) continue;
    push(rom.guestAddress);
    start += romEnd - guestAddress;
    guestAddress = romEnd;
  }
  push(endAddress);
  return pieces;
}

/** The parts of the blocks, one behind the other, that a piece of main memory consists of. */
function* cut(blocks: readonly RamBlock[], piece: MemoryPiece): Generator<PhysicalRange> {
  let blockStart = 0;
  for (const block of blocks) {
    const from = Math.max(piece.start, blockStart);
    const to = Math.min(piece.end, blockStart + block.usedLengthBytes);
    if (to > from) {
      yield {
        guestAddress: piece.guestAddress + from - piece.start,
        lengthBytes: to - from,
        block,
        blockAddress: from - blockStart,
      };
    }
    blockStart += block.usedLengthBytes;
  }
}

/** Where the guest sees ROM. */
function romRanges(guest: Guest): PhysicalRange[] {
  const bios = guest.blocks.find(({ name }) => name === "pc.bios");
  const rom = guest.blocks.find(({ name }) => name === "pc.rom");
  const ranges: PhysicalRange[] = [];
  if (bios !== undefined && bios.usedLengthBytes <= GIB) {
    const lengthBytes = bios.usedLengthBytes;
    const guestAddress = 4 * GIB - lengthBytes;
    ranges.push({ guestAddress, lengthBytes, block: bios, blockAddress: 0 });
  }
  for (const [start, end] of romRegions(guest)) {
    const source = start < BIOS_START ? rom : bios;
    if (source === undefined) continue;
    // The option ROMs from their start on, of the firmware the end.
    const top = start < BIOS_START ? ROM_START + source.usedLengthBytes : MIB;
    const blockEnd = source.usedLengthBytes;
    const from = Math.max(start, top - blockEnd);
    const to = Math.min(end, top);
    if (to <= from) continue;
    const blockAddress = blockEnd - (top - from);
    ranges.push({ guestAddress: from, lengthBytes: to - from, block: source, blockAddress });
  }
  return ranges;
}

/** Offset of the first PAM register in the chipset's PCI configuration. */
const PAM_OFFSETS: readonly (readonly [idstr: RegExp, offset: number])[] = [
  [/\/I440FX$/, 0x59],
  [/\/mch$/, 0x90],
];

/** Parts of 0xc0000..0xfffff where a read goes to the ROM. */
function romRegions({ machine, state }: Guest): (readonly [start: number, end: number])[] {
  if (machine === "isapc") return [[ROM_START, BIOS_START], [BIOS_START, MIB]];
  if (machine === "microvm") return [[BIOS_START, MIB]];
  for (const [idstr, offset] of PAM_OFFSETS) {
    const config = deviceFields(state, idstr)?.structs("parent_obj")[0]?.bytes("config[0]");
    if (config === undefined || config.length < offset + 7) continue;
    const pam = config.subarray(offset, offset + 7);
    return [...pamRegions(pam)].filter(({ readsRam }) => !readsRam).map(({ start, end }) => [
      start,
      end,
    ]);
  }
  // Firmware copies itself into RAM and works there: what an unknown chipset most likely does.
  return [];
}

/** PAM0: the high four bits for 0xf0000..0xfffff; PAM1..6: two regions of 16 KiB each from 0xc0000 on. Bit 0 of each: reads go to RAM. */
function* pamRegions(
  pam: Uint8Array,
): Generator<{ start: number; end: number; readsRam: boolean }> {
  for (let index = 0; index < 12; index++) {
    const nibble = pam[1 + (index >> 1)]! >> (index % 2 * 4);
    const start = ROM_START + index * 16 * KIB;
    yield { start, end: start + 16 * KIB, readsRam: (nibble & 1) === 1 };
  }
  yield { start: 0xf0000, end: MIB, readsRam: (pam[0]! >> 4 & 1) === 1 };
}
