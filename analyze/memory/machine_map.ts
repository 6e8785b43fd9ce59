/**
 * The physical map of a guest, by its machine type and what its devices say.
 *
 * ```text
 * machine                main memory                                             others
 * i440fx, q35            [0, below), the rest from 4 GiB on                      pc.bios up to 4 GiB; what of pc.rom and pc.bios
 *                                                                                isn't shadowed by RAM in 0xc0000..0xfffff
 * microvm, isapc         the same                                                the same, with ROM always before RAM
 * Arm virt               1 GiB on                                                virt.flash0 at 0, virt.flash1 at 64 MiB
 * RISC-V virt            2 GiB on                                                mask ROM at 4 KiB, virt.flash0 at 512 MiB, virt.flash1 at 544 MiB
 * LoongArch virt         256 MiB at 0, the rest from 2 GiB on
 * sbsa-ref               1 TiB on
 * pseries, powernv, mac99, g3beige, s390x, m68k virt: from 0 on
 * ```
 *
 * How much memory of a PC stands below 4 GiB isn't in the stream as such. The firmware finds it in the CMOS of the real-time clock, and so
 * does this: bytes 0x34, 0x35 count 64 KiB above 16 MiB, bytes 0x5b..0x5d those above 4 GiB. Without them the machine type's rule holds.
 *
 * Memory devices (DIMMs, virtio-mem) stand where the guest was told, which the stream doesn't say: they are not in the map.
 *
 * @module
 */

import type { RamBlock } from "../../format/ram.ts";
import { isElsewhere } from "../../format/mapped_ram.ts";
import { type Guest, UnknownMapError } from "./guest.ts";
import { pcRanges } from "./pc_map.ts";
import { PhysicalMap, type PhysicalRange } from "./physical_map.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** How the map is found. */
export interface MachineMapOptions {
  /** Bytes of a PC's main memory below 4 GiB, where neither the CMOS nor the machine type's rule is right. */
  readonly below4gBytes?: number | undefined;
}

/** A map, and what deserves attention about it. */
export interface MachineMap {
  /** The map. */
  readonly map: PhysicalMap;
  /** In words: blocks whose place is unknown, assumptions. */
  readonly notes: readonly string[];
}

/** A part of the main memory, by its place there. */
interface Piece {
  readonly guestAddress: number;
  readonly start: number;
  readonly lengthBytes: number;
}

/** A kind of machine. */
interface Board {
  /** What its machine types are called. */
  readonly machines: RegExp;
  /** Name of the main memory's block, unless a memory backend gives it another. */
  readonly mainBlock: string;
  /** Where `ramBytes` of main memory stand. */
  readonly place: (ramBytes: number) => Piece[];
  /** Where other blocks stand whole. */
  readonly others?: Readonly<Record<string, number>>;
}

const at = (guestAddress: number) => (ramBytes: number): Piece[] => [
  { guestAddress, start: 0, lengthBytes: ramBytes },
];

/** Machines whose memory stands where it always stands. */
const BOARDS: readonly Board[] = [
  {
    machines: /^virt-\d/,
    mainBlock: "mach-virt.ram",
    place: at(GIB),
    others: { "virt.flash0": 0, "virt.flash1": 64 * MIB },
  },
  {
    machines: /^sbsa-ref$/,
    mainBlock: "sbsa-ref.ram",
    place: at(1024 * GIB),
    others: { "sbsa.flash1": 256 * MIB },
  },
  { machines: /^pseries-/, mainBlock: "ppc_spapr.ram", place: at(0) },
  { machines: /^powernv/, mainBlock: "pnv.ram", place: at(0) },
  { machines: /^mac99$/, mainBlock: "ppc_core99.ram", place: at(0) },
  {
    machines: /^g3beige$/,
    mainBlock: "ppc_heathrow.ram",
    place: at(0),
    others: { "ppc_heathrow.bios": 4 * GIB - 4 * MIB },
  },
  { machines: /^s390-ccw-virtio-/, mainBlock: "s390.ram", place: at(0) },
  { machines: /^virt-m68k$|^$/, mainBlock: "m68k_virt.ram", place: at(0) },
  {
    machines: /^$/,
    mainBlock: "riscv_virt_board.ram",
    place: at(2 * GIB),
    others: {
      "riscv_virt_board.mrom": 0x1000,
      "virt.flash0": 512 * MIB,
      "virt.flash1": 544 * MIB,
    },
  },
  {
    machines: /^$/,
    mainBlock: "loongarch.ram",
    place: (ramBytes) => {
      const low = Math.min(ramBytes, 256 * MIB);
      const pieces = [
        { guestAddress: 0, start: 0, lengthBytes: low },
        { guestAddress: 2 * GIB, start: low, lengthBytes: ramBytes - low },
      ];
      return pieces.filter(({ lengthBytes }) => lengthBytes > 0);
    },
  },
];

/** Names of blocks that belong to a board or a device, whatever the machine. */
const NOT_MAIN = /^\/rom@|\.(rom|bios|vram|mrom|flash\d?|secure-ram|tag|secure-tag)$|\//;

/**
 * Finds the physical map of a guest.
 *
 * @throws {UnknownMapError}
 */
export function findMachineMap(guest: Guest, options: MachineMapOptions = {}): MachineMap {
  const found = isPc(guest)
    ? pcRanges(guest, candidates(guest), options.below4gBytes)
    : boardRanges(guest);
  const map = new PhysicalMap(found.ranges);
  const mapped = new Set(map.ranges.map(({ block }) => block));
  const missing = candidates(guest).filter((block) => !mapped.has(block));
  const notes = [...found.notes];
  if (missing.length > 0) {
    const names = missing.map(({ name }) => name).join(", ");
    notes.push(`the guest-physical address of ${names} is not in the stream: not mapped`);
  }
  return { map, notes };
}

/** Blocks that may be main memory, or memory devices. */
function candidates({ blocks }: Guest): readonly RamBlock[] {
  return blocks.filter(({ name }) => !NOT_MAIN.test(name) || /^\/objects\//.test(name));
}

function isPc({ machine, blocks, state }: Guest): boolean {
  if (machine !== undefined) return /^(pc-i440fx-|pc-q35-|pc-\d|microvm$|isapc$)/.test(machine);
  const hasRam = blocks.some(({ name }) => name === "pc.ram");
  return hasRam && state.entries.some(({ section }) => section.idstr === "i8259");
}

interface Found {
  readonly ranges: readonly PhysicalRange[];
  readonly notes: readonly string[];
}

function boardRanges(guest: Guest): Found {
  const { machine, blocks } = guest;
  const names = new Set(blocks.map(({ name }) => name));
  const board = BOARDS.find(({ mainBlock }) => names.has(mainBlock)) ??
    BOARDS.find(({ machines }) => machines.test(machine ?? ""));
  if (board === undefined || machine === undefined && !names.has(board.mainBlock)) {
    throw new UnknownMapError(
      machine === undefined ? "the stream names no machine type" : `no map for ${machine}`,
    );
  }
  const named = blocks.find(({ name }) => name === board.mainBlock);
  const mains = named === undefined ? candidates(guest) : [named];
  const [main] = mains;
  if (main === undefined || mains.length > 1) {
    throw new UnknownMapError(
      main === undefined
        ? "no main memory is among the RAM blocks"
        : `main memory may be any of ${mains.map(({ name }) => name).join(", ")}`,
    );
  }
  const ranges: PhysicalRange[] = board.place(main.usedLengthBytes).map((piece) => ({
    guestAddress: piece.guestAddress,
    lengthBytes: piece.lengthBytes,
    block: main,
    blockAddress: piece.start,
  }));
  for (const [name, guestAddress] of Object.entries(board.others ?? {})) {
    const block = blocks.find((each) => each.name === name);
    if (block === undefined || isAway(block)) continue;
    ranges.push({ guestAddress, lengthBytes: block.usedLengthBytes, block, blockAddress: 0 });
  }
  return { ranges, notes: [] };
}

/** Whether a block's content is not in the stream. */
function isAway({ mapped }: RamBlock): boolean {
  return mapped !== undefined && isElsewhere(mapped);
}
