/**
 * Physical memory: where blocks stand, and the forms in which it is written.
 */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parseGivenMap } from "../analyze/memory/given_map.ts";
import { UnknownMapError } from "../analyze/memory/guest.ts";
import { findMachineMap, type MachineMapOptions } from "../analyze/memory/machine_map.ts";
import { PhysicalMap } from "../analyze/memory/physical_map.ts";
import { readState } from "../analyze/state.ts";
import { encodePage, encodeRamEos, encodeRamWord, RAM_SAVE_FLAG } from "../format/ram.ts";
import type { RamBlock } from "../format/ram.ts";
import { encodeBlockEntry } from "../format/ram_blocks.ts";
import { BytesSource } from "../format/source.ts";
import { filesBelow, migstream, withFolder } from "./process.ts";
import { StreamBuilder } from "./streams.ts";
import { loadStream } from "./testdata.ts";

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const GIB = 2 ** 30;

interface Device {
  readonly name: string;
  readonly fields: readonly {
    readonly name: string;
    readonly type: string;
    readonly size: number;
  }[];
  readonly bytes: Uint8Array;
}

/** A guest that is nothing but blocks and some devices. */
function guestStream(
  machine: string,
  blocks: Readonly<Record<string, number>>,
  devices: readonly Device[] = [],
  pages: readonly (readonly [block: string, address: number, page: Uint8Array])[] = [],
): Uint8Array {
  const total = Object.values(blocks).reduce((sum, bytes) => sum + bytes, 0);
  const builder = new StreamBuilder().configuration({
    machine,
    subsections: [{ name: "configuration/target-page-bits", targetPageBits: 12 }],
  }).section("start", 1, "ram", (writer) => {
    encodeRamWord(writer, total, RAM_SAVE_FLAG.MEM_SIZE);
    for (const [index, [name, usedLengthBytes]] of Object.entries(blocks).entries()) {
      const entryOffset = writer.offset;
      encodeBlockEntry(writer, { name, index, usedLengthBytes, entryOffset, entryBytes: 0 });
    }
    for (const [block, address, page] of pages) encodePage(writer, { block, address }, page);
    encodeRamEos(writer);
  }, { versionId: 4 });
  for (const [index, { name, bytes }] of devices.entries()) {
    builder.section("full", 10 + index, name, bytes);
  }
  return builder.eof().description({
    page_size: 4096,
    devices: devices.map(({ name, fields }) => ({
      name,
      instance_id: 0,
      vmsd_name: name,
      version: 1,
      fields,
    })),
  }).bytes();
}

/** The clock's device, with memory sizes as the firmware is told them. */
function cmos(belowBytes: number, aboveBytes: number): Device {
  const bytes = new Uint8Array(128);
  const low = (belowBytes - 16 * MIB) / (64 * KIB);
  const high = aboveBytes / (64 * KIB);
  bytes.set([low & 0xff, low >> 8], 0x34);
  bytes.set([high & 0xff, high >> 8 & 0xff, high >> 16], 0x5b);
  const fields = [{ name: "cmos_data", type: "buffer", size: 128 }];
  return { name: "mc146818rtc", fields, bytes };
}

/** The map of a guest as lines: guest-physical address, bytes, block, address in the block; hexadecimal. */
function mapLines(stream: Uint8Array, options: MachineMapOptions = {}): string[] {
  let machine: string | undefined;
  const state = readState(new BytesSource(stream), {
    onItem: (item) => {
      if (item.kind === "configuration") machine = item.configuration.machine;
    },
  });
  const { map, notes } = findMachineMap({ machine, blocks: state.blocks ?? [], state }, options);
  const hex = (value: number) => value.toString(16);
  return [
    ...map.ranges.map(({ guestAddress, lengthBytes, block, blockAddress }) =>
      `${hex(guestAddress)} ${hex(lengthBytes)} ${block.name} ${hex(blockAddress)}`
    ),
    ...notes,
  ];
}

Deno.test("physical map: the main memory of PCs is split by the machine type's rule", () => {
  const split = (machine: string, bytes: number) =>
    mapLines(guestStream(machine, { "pc.ram": bytes }))[0]!.split(" ")[1];
  assertEquals(split("pc-i440fx-10.0", 3583 * MIB), (3583 * MIB).toString(16));
  assertEquals(split("pc-i440fx-10.0", 3584 * MIB), "c0000000");
  assertEquals(split("pc-i440fx-1.7", 4 * GIB), "e0000000");
  assertEquals(split("pc-q35-10.0", 2815 * MIB), (2815 * MIB).toString(16));
  assertEquals(split("pc-q35-10.0", 2816 * MIB), "80000000");
  assertEquals(mapLines(guestStream("microvm", { "microvm.ram": 4 * GIB })), [
    "0 c0000000 microvm.ram 0",
    "100000000 40000000 microvm.ram c0000000",
  ]);
  assertEquals(mapLines(guestStream("isapc", { "pc.ram": 512 * MIB, "pc.bios": 128 * KIB })), [
    "0 e0000 pc.ram 0",
    "e0000 20000 pc.bios 0",
    "100000 1ff00000 pc.ram 100000",
    "fffe0000 20000 pc.bios 0",
  ]);
});

Deno.test("physical map: the CMOS knows the split, and --below-4g overrules it", () => {
  // max-ram-below-4g=1G
  const stream = guestStream("pc-i440fx-10.0", { "pc.ram": 3 * GIB }, [cmos(GIB, 2 * GIB)]);
  assertEquals(mapLines(stream), [
    "0 40000000 pc.ram 0",
    "100000000 80000000 pc.ram 40000000",
  ]);
  assertEquals(mapLines(stream, { below4gBytes: 2 * GIB }), [
    "0 80000000 pc.ram 0",
    "100000000 40000000 pc.ram 80000000",
  ]);
  // What the guest wrote there may be nonsense.
  const nonsense = guestStream("pc-i440fx-10.0", { "pc.ram": 4 * GIB }, [cmos(GIB, GIB)]);
  assertEquals(mapLines(nonsense)[0], "0 c0000000 pc.ram 0");
  assertThrows(() => mapLines(stream, { below4gBytes: 5 * GIB }), UnknownMapError);
});

Deno.test("physical map: NUMA nodes, DIMMs, and memory backends of any name", () => {
  const nodes = { "ram-node1": GIB, "ram-node0": 2 * GIB };
  assertEquals(mapLines(guestStream("pc-q35-10.0", nodes, [cmos(2 * GIB, GIB)])), [
    "0 80000000 ram-node0 0",
    "100000000 40000000 ram-node1 0",
    "several memory backends: taken for NUMA nodes in the order ram-node0, ram-node1",
  ]);
  const dimm = { "mem": GIB, "dimm0": 2 * GIB };
  assertEquals(mapLines(guestStream("pc-q35-10.0", dimm, [cmos(GIB, 0)])), [
    "0 40000000 mem 0",
    "the guest-physical address of dimm0 is not in the stream: not mapped",
  ]);
  assertThrows(() => mapLines(guestStream("pc-q35-10.0", dimm)), UnknownMapError, "mem, dimm0");
  assertEquals(mapLines(guestStream("virt-10.0", { "backend": GIB, "virt.flash1": 64 * MIB })), [
    "4000000 4000000 virt.flash1 0",
    "40000000 40000000 backend 0",
  ]);
});

Deno.test("physical map: other machines, and those that nobody knows", () => {
  const first = (machine: string, block: string) =>
    mapLines(guestStream(machine, { [block]: 512 * MIB }));
  assertEquals(first("virt-10.0", "mach-virt.ram"), ["40000000 20000000 mach-virt.ram 0"]);
  assertEquals(first("virt", "riscv_virt_board.ram"), ["80000000 20000000 riscv_virt_board.ram 0"]);
  assertEquals(first("virt", "loongarch.ram"), [
    "0 10000000 loongarch.ram 0",
    "80000000 10000000 loongarch.ram 10000000",
  ]);
  assertEquals(first("pseries-10.0", "ppc_spapr.ram"), ["0 20000000 ppc_spapr.ram 0"]);
  assertEquals(first("s390-ccw-virtio-10.0", "s390.ram"), ["0 20000000 s390.ram 0"]);
  assertThrows(() => first("mystery", "ram"), UnknownMapError, "no map for mystery");
});

const BLOCK: RamBlock = {
  name: "m",
  index: 0,
  usedLengthBytes: 0x4000,
  entryOffset: 0,
  entryBytes: 0,
};

Deno.test("physical map: a given map is checked", () => {
  const parse = (value: unknown) => parseGivenMap(JSON.stringify(value), [BLOCK]).ranges;
  assertEquals(parse([{ block: "m", guestAddress: "0x1000", blockAddress: 0x1000 }]), [
    { block: BLOCK, guestAddress: 0x1000, blockAddress: 0x1000, lengthBytes: 0x3000 },
  ]);
  for (
    const [wrong, said] of [
      [{}, "a list of"],
      [[], "a list of"],
      [[null], "range 0 of the physical map is no object"],
      [[{ block: "n", guestAddress: 0 }], 'names no RAM block: "n"'],
      [[{ block: "m" }], "guestAddress of range 0"],
      [[{ block: "m", guestAddress: -1 }], "guestAddress of range 0"],
      [[{ block: "m", guestAddress: "1K" }], "guestAddress of range 0"],
      [[{ block: "m", guestAddress: 0, length: 1 }], 'has "length"'],
    ] as const
  ) assertThrows(() => parse(wrong), SyntaxError, said);
  for (
    const wrong of [
      [{ block: "m", guestAddress: 0, lengthBytes: 0x4001 }],
      [{ block: "m", guestAddress: 0, lengthBytes: 0 }],
      [{ block: "m", guestAddress: 0 }, { block: "m", guestAddress: 0x3fff }],
    ]
  ) assertThrows(() => parse(wrong), RangeError);
});

Deno.test("physical map: addresses there and back", () => {
  const map = new PhysicalMap([
    { block: BLOCK, guestAddress: 0x8000, blockAddress: 0x2000, lengthBytes: 0x2000 },
    { block: BLOCK, guestAddress: 0, blockAddress: 0, lengthBytes: 0x2000 },
  ]);
  assertEquals([map.toGuest(BLOCK, 0x1fff), map.toGuest(BLOCK, 0x2000)], [0x1fff, 0x8000]);
  assertEquals([map.find(0x2000), map.find(0x9fff)?.blockAddress], [undefined, 0x2000]);
  assertEquals(map.endAddress, 0xa000);
});

/** A page that begins with some bytes. */
function pageOf(bytes: Uint8Array): Uint8Array {
  const page = new Uint8Array(4096);
  page.set(bytes);
  return page;
}

/** A guest of 6 GiB with a page on each side of 4 GiB, and a kernel that left its note. */
function largeGuest(): Uint8Array {
  const content = new TextEncoder().encode("OSRELEASE=6.1.0\n");
  const note = new Uint8Array(24 + content.length);
  const view = new DataView(note.buffer);
  view.setUint32(0, 11, true);
  view.setUint32(4, content.length, true);
  note.set(new TextEncoder().encode("VMCOREINFO"), 12);
  note.set(content, 24);
  const device = new Uint8Array(17);
  const fields = new DataView(device.buffer);
  fields.setUint8(0, 1);
  fields.setUint16(1, 1);
  fields.setUint16(3, 1);
  fields.setUint32(5, note.length);
  fields.setBigUint64(9, BigInt(4 * GIB));
  const vmcoreinfo: Device = {
    name: "vmcoreinfo",
    bytes: device,
    fields: [
      { name: "has_vmcoreinfo", type: "bool", size: 1 },
      { name: "vmcoreinfo.host_format", type: "uint16", size: 2 },
      { name: "vmcoreinfo.guest_format", type: "uint16", size: 2 },
      { name: "vmcoreinfo.size", type: "uint32", size: 4 },
      { name: "vmcoreinfo.paddr", type: "uint64", size: 8 },
    ],
  };
  return guestStream("pc-i440fx-10.0", { "pc.ram": 6 * GIB }, [vmcoreinfo], [
    ["pc.ram", 3 * GIB - 4096, pageOf(new Uint8Array(4096).fill(1))],
    ["pc.ram", 3 * GIB, pageOf(note)],
  ]);
}

function readAt(path: string, offset: number, length: number): Uint8Array {
  using file = Deno.openSync(path);
  file.seekSync(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const got = file.readSync(bytes.subarray(done));
    if (got === null) break;
    done += got;
  }
  return bytes;
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

Deno.test("extract: 6 GiB of physical memory as ELF core, LiME image and raw file", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/guest`;
    Deno.writeFileSync(path, largeGuest());
    const extract = async (format: string) => {
      const out = `${folder}/${format}`;
      const args = ["extract", path, "--format", format, "--out", out];
      const { code, err } = await migstream(args, { permissions: ["-R", "-W"] });
      assertEquals(code, 0, err);
      const { blocks } = Deno.statSync(out);
      assert(blocks === null || blocks < 100, `${format} takes ${blocks} blocks of 512 bytes`);
      return { out, err };
    };
    const raw = (await extract("raw-physical")).out;
    assertEquals(Deno.statSync(raw).size, 7 * GIB);
    assertEquals(readAt(raw, 3 * GIB - 1, 2), Uint8Array.of(1, 0));
    assertEquals(readAt(raw, 4 * GIB + 12, 10), bytesOf("VMCOREINFO"));

    const lime = (await extract("lime")).out;
    assertEquals(Deno.statSync(lime).size, 6 * GIB + 2 * 32);
    const headers = [0, 32 + 3 * GIB].map((at) => new DataView(readAt(lime, at, 32).buffer));
    for (const [index, header] of headers.entries()) {
      assertEquals([header.getUint32(0, true), header.getUint32(4, true)], [0x4c694d45, 1]);
      const start = [0, 4 * GIB][index]!;
      assertEquals(header.getBigUint64(8, true), BigInt(start));
      assertEquals(header.getBigUint64(16, true), BigInt(start + 3 * GIB - 1));
    }
    assertEquals(readAt(lime, 64 + 3 * GIB + 12, 10), bytesOf("VMCOREINFO"));

    const { out: elf, err } = await extract("elf");
    assertStringIncludes(err, "no registers: the stream describes no processor");
    const head = readAt(elf, 0, 4096);
    const view = new DataView(head.buffer);
    assertEquals(head.subarray(0, 7), Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1));
    assertEquals([view.getUint16(16, true), view.getUint16(56, true)], [4, 3]);
    const load = (index: number) => {
      const at = 64 + 56 * index;
      return [8, 24, 32].map((field) => Number(view.getBigUint64(at + field, true)));
    };
    const [noteOffset = 0] = load(0);
    assertEquals(head.subarray(noteOffset + 12, noteOffset + 22), bytesOf("VMCOREINFO"));
    const [offset = 0, address, length] = load(2);
    assertEquals([address, length], [4 * GIB, 3 * GIB]);
    assertEquals(readAt(elf, offset + 12, 10), bytesOf("VMCOREINFO"));
    assertEquals(filesBelow(folder), ["elf", "guest", "lime", "raw-physical"]);
  });
});

Deno.test("extract: a physical map that isn't known has to be given", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/guest`;
    Deno.writeFileSync(path, loadStream("arm-microbit"));
    const args = ["extract", path, "--format", "raw-physical", "--out", `${folder}/raw`];
    const unknown = await migstream(args, { permissions: ["-R", "-W"] });
    assertEquals(unknown.code, 2);
    assertStringIncludes(unknown.err, "no map for microbit; give them with --map");
    Deno.writeTextFileSync(
      `${folder}/map.json`,
      JSON.stringify([{ block: "nrf51.sram", guestAddress: "0x20000000" }]),
    );
    const permissions = ["-R", "-W"];
    const given = await migstream([...args, "--map", `${folder}/map.json`], { permissions });
    assertEquals(given.code, 0, given.err);
    Deno.writeTextFileSync(`${folder}/map.json`, "[{}]");
    const wrong = await migstream([...args, "--map", `${folder}/map.json`], { permissions });
    assertEquals(wrong.code, 2);
    assertStringIncludes(wrong.err, "map.json: range 0 of the physical map names no RAM block");
  });
});
