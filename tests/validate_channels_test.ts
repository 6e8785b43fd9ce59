/**
 * Validation of captured migrations: each rule by a real stream that is broken in one place.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { zstdCompressSync } from "node:zlib";
import type { Finding } from "../analyze/validate/findings.ts";
import type { RuleId } from "../analyze/validate/rule.ts";
import { RULES } from "../analyze/validate/rules/mod.ts";
import type { Validation } from "../analyze/validate/validate.ts";
import { newMultifdDecompressor } from "../container/multifd_decompress.ts";
import type { MultifdPacket, MultifdRamPacket } from "../format/multifd/channel.ts";
import { encodeDeviceStatePacket } from "../format/multifd/packet.ts";
import { MULTIFD_RAM_FIELD_OFFSETS } from "../format/multifd/packet_header.ts";
import { BytesSource } from "../format/source.ts";
import { StreamReader } from "../format/stream.ts";
import { ByteWriter } from "../format/writer.ts";
import { DEVICE, readChannel, recordedChannels } from "./multifd_channels.ts";
import { withFolder } from "./process.ts";
import { caseNames, filesOf, loadCase, loadStream } from "./testdata.ts";
import { rulesOf, spliced, validatePath } from "./validating.ts";

const AT = MULTIFD_RAM_FIELD_OFFSETS;
const HEADER_BYTES = 320;

/** A capture that can be broken: the bytes of its channels, and the packets in them. */
interface Victim {
  main: Uint8Array<ArrayBuffer>;
  readonly channels: Uint8Array<ArrayBuffer>[];
  readonly packets: readonly (readonly MultifdPacket[])[];
  /** The first packet with pages of channel 0. */
  readonly full: MultifdRamPacket;
  /** The last SYNC packet of channel 0. */
  readonly sync: MultifdRamPacket;
  readonly returnPath?: Uint8Array<ArrayBuffer>;
}

function victimOf(name: string): Victim {
  const { blocks, pageBytes, channels } = recordedChannels(name);
  const newDecompressor = newMultifdDecompressor;
  const packets = channels.map((bytes) =>
    readChannel(bytes, { blocks, pageBytes, newDecompressor })
  );
  const ram = packets[0]!.filter((packet) => packet.kind === "ram");
  return {
    main: loadStream(name),
    channels: channels.map((bytes) => new Uint8Array(bytes)),
    packets,
    full: ram.find(({ normal }) => normal.length > 1)!,
    sync: ram.findLast(({ isSync }) => isSync)!,
  };
}

/** Validates the files of a capture, compressed where that is asked for. */
async function validateCapture(victim: Victim, isPacked = false): Promise<Validation> {
  let validation: Validation | undefined;
  await withFolder(async (folder) => {
    const put = (name: string, bytes: Uint8Array) =>
      Deno.writeFileSync(`${folder}/${name}`, isPacked ? zstdCompressSync(bytes) : bytes);
    put("main", victim.main);
    for (const [index, bytes] of victim.channels.entries()) put(`multifd${index}`, bytes);
    if (victim.returnPath) put("return", victim.returnPath);
    validation = await validatePath(folder);
  });
  return validation!;
}

const channel0 = ({ channels }: Victim) => new DataView(channels[0]!.buffer);
const put32 = (view: DataView, at: number, value: number) => view.setUint32(at, value);

const packetBytes = (bytes: Uint8Array, { offset, lengthBytes }: MultifdPacket) =>
  bytes.slice(offset, offset + lengthBytes);

/** The device's packet with another byte. */
function deviceState(change: (bytes: Uint8Array) => void = () => {}): Uint8Array {
  const writer = new ByteWriter();
  encodeDeviceStatePacket(writer, DEVICE);
  const bytes = writer.finish();
  change(bytes);
  return bytes;
}

/** Where the first MULTIFD_FLUSH word of a main channel stands. */
function flushOffset(main: Uint8Array): number {
  let offset = -1;
  const visitor = {
    run: (run: { kind: string; offset: number }) => {
      if (run.kind === "flush" && offset < 0) offset = run.offset;
    },
  };
  for (const _ of new StreamReader(new BytesSource(main), { visitor }).items());
  return offset;
}

interface Break {
  readonly rule: RuleId;
  readonly from?: string;
  readonly what?: string;
  readonly break: (victim: Victim) => Partial<Victim> | void;
}

const BREAKS: readonly Break[] = [
  { rule: "MFD-001", break: (victim) => put32(channel0(victim), 0, 0x11223345) },
  { rule: "MFD-001", what: "version", break: (victim) => put32(channel0(victim), 4, 2) },
  { rule: "MFD-003", break: (victim) => void (victim.channels[1]![24] = 7) },
  {
    rule: "MFD-003",
    what: "a channel is missing",
    break: (victim) => void victim.channels.shift(),
  },
  { rule: "MFD-005", break: (victim) => void (victim.channels[0]![40] = 1) },
  { rule: "MFD-006", break: (victim) => put32(channel0(victim), victim.sync.offset, 0) },
  {
    rule: "MFD-006",
    what: "version",
    break: (victim) => put32(channel0(victim), victim.full.offset + 4, 3),
  },
  {
    rule: "MFD-007",
    break: (victim) => put32(channel0(victim), victim.full.offset + AT.flags, 0x1000),
  },
  {
    rule: "MFD-008",
    break: (victim) => {
      const { full, packets: [own = []], channels: [bytes] } = victim;
      const later = own.find((each) =>
        each.kind === "ram" && each.normal.length > 0 && each !== full
      )!;
      // One page of QPL, stored as it is.
      const count = later.kind === "ram" ? later.normal.length : 0;
      put32(channel0(victim), later.offset + AT.flags, 0x08);
      put32(channel0(victim), later.offset + AT.nextPacketBytes, later.payloadBytes + 4 * count);
      const lengths = new Uint8Array(4 * count);
      for (let index = 0; index < count; index++) {
        put32(new DataView(lengths.buffer), 4 * index, 4096);
      }
      victim.channels[0] = spliced(bytes!, later.payloadOffset, 0, lengths);
    },
  },
  {
    rule: "MFD-009",
    break: (victim) => put32(channel0(victim), victim.full.offset + AT.pagesAlloc, 129),
  },
  {
    rule: "MFD-010",
    break: (victim) => void (victim.channels[0]![victim.full.offset + AT.name] = 0x51),
  },
  {
    rule: "MFD-010",
    what: "NUL",
    break: ({ channels: [bytes], full: { offset } }) =>
      void bytes!.fill(0x41, offset + AT.name, offset + AT.name + 256),
  },
  {
    rule: "MFD-011",
    break: (victim) => put32(channel0(victim), victim.full.offset + HEADER_BYTES, 1),
  },
  {
    rule: "MFD-012",
    break: (victim) => put32(channel0(victim), victim.full.offset + HEADER_BYTES + 4, 0x101),
  },
  {
    rule: "MFD-013",
    break: (victim) => {
      const at = victim.full.offset + HEADER_BYTES;
      victim.channels[0]!.copyWithin(at + 8, at, at + 8);
    },
  },
  {
    rule: "MFD-014",
    break: (victim) => put32(channel0(victim), victim.full.offset + AT.nextPacketBytes, 5),
  },
  {
    rule: "MFD-015",
    from: "pc-multifd-zlib",
    break: ({ channels: [bytes], full }) => void (bytes![full.payloadOffset + 20]! ^= 0xff),
  },
  {
    rule: "MFD-015",
    from: "pc-multifd-zstd",
    what: "size",
    break: (victim) =>
      put32(channel0(victim), victim.full.offset + AT.nextPacketBytes, 2 * 1024 * 1024),
  },
  {
    rule: "MFD-017",
    break: (victim) => put32(channel0(victim), victim.sync.offset + AT.flags, 0),
    what: "neither pages nor SYNC",
  },
  {
    rule: "MFD-018",
    break: ({ channels: [bytes], sync }) => void (bytes![sync.offset + 40] = 1),
  },
  {
    rule: "MFD-019",
    break: ({ channels: [bytes], sync }) => void (bytes![sync.offset + 31]! ^= 1),
  },
  {
    rule: "MFD-020",
    break: (victim) => {
      victim.channels[0] = spliced(
        victim.channels[0]!,
        victim.sync.offset,
        victim.sync.lengthBytes,
      );
    },
  },
  {
    rule: "MFD-020",
    what: "one too many",
    break: (victim) => {
      const [bytes] = victim.channels;
      const again = packetBytes(bytes!, victim.sync);
      victim.channels[0] = spliced(bytes!, bytes!.length, 0, again);
    },
  },
  {
    rule: "MFD-021",
    break: (victim) => {
      victim.main = spliced(victim.main, flushOffset(victim.main), 8);
    },
  },
  {
    rule: "MFD-022",
    break: (victim) => void (victim.channels[0] = victim.channels[0]!.slice(0, -1)),
  },
  {
    rule: "MFD-022",
    what: "in the first packet",
    break: (victim) => void (victim.channels[0] = victim.channels[0]!.slice(0, 63)),
  },
  {
    rule: "MFD-023",
    break: (victim) => {
      victim.channels[0] = spliced(victim.channels[0]!, victim.full.offset, 0, deviceState());
    },
  },
  {
    rule: "MFD-023",
    what: "SYNC",
    break: (victim) => {
      const packet = deviceState((bytes) => void (bytes[11] = 0x41));
      victim.channels[0] = spliced(victim.channels[0]!, victim.full.offset, 0, packet);
    },
  },
  {
    rule: "MFD-025",
    from: "pc-multifd-zlib",
    break: (victim) => {
      // The flush of the last packet with pages goes.
      const last = victim.packets[0]!.findLast(({ payloadBytes }) => payloadBytes > 0)!;
      const { offset, payloadBytes, lengthBytes } = last;
      put32(channel0(victim), offset + AT.nextPacketBytes, payloadBytes - 4);
      victim.channels[0] = spliced(victim.channels[0]!, offset + lengthBytes - 4, 4);
    },
  },
  {
    rule: "MFD-026",
    break: (victim) => {
      const { full, channels: [bytes] } = victim;
      const again = packetBytes(bytes!, full);
      victim.channels[0] = spliced(bytes!, full.offset, 0, again);
    },
  },
  {
    rule: "MFD-027",
    break: (victim) => put32(channel0(victim), victim.full.offset + AT.flags, 0x08),
  },
  {
    rule: "MFD-028",
    break: () => ({ returnPath: Uint8Array.of(0, 2, 0, 4, 0, 0, 0, 1, 0, 9, 0, 0) }),
  },
  { rule: "MFD-029", break: (victim) => void (victim.channels[0]![10] = 1) },
  {
    rule: "MFD-030",
    break: (victim) => {
      const { full, channels: [bytes] } = victim;
      victim.channels[0] = spliced(bytes!, bytes!.length, 0, packetBytes(bytes!, full));
    },
  },
  { rule: "MFD-031", break: (victim) => void victim.channels.push(victim.main) },
];

/** Rules that a real stream breaks only together with others: those that are found, too. */
const COMPANIONS: Partial<Record<RuleId, readonly RuleId[]>> = {
  // A packet of channel 0 is given a second time.
  "MFD-026": ["MFD-019"],
  "MFD-030": ["MFD-019"],
  // Without SYNC, the packet is also missing as such.
  "MFD-017": ["MFD-020"],
  "MFD-020": ["MFD-019"],
  // The packets of a channel are missing as a whole.
  "MFD-001": ["MFD-019"],
  "MFD-003": ["MFD-019"],
  "MFD-022": ["MFD-019"],
};

/** Rules that can't be broken alone, with the reason. */
const NOT_CHECKABLE: Readonly<Record<string, string>> = {
  "MFD-002": "only the destination knows its UUID",
  "MFD-004": "its own test: two files have to change together",
  "MFD-016": "what stands there is read as the next packet: MFD-006",
  "MFD-024": "only the destination knows how many channels it is set to",
};

const placesOf = ({ findings }: Validation) =>
  findings.kept.map(({ rule, offset }) => `${rule} at ${offset}`);

for (const { rule, from = "pc-multifd", what = "", break: damage } of BREAKS) {
  Deno.test(`validate: ${rule} ${what} in ${from}`, async () => {
    const victim = victimOf(from);
    const more = damage(victim);
    const validation = await validateCapture({ ...victim, ...more });
    const found = rulesOf(validation);
    assert(found.includes(rule), `${found}`);
    const others = found.filter((each) => each !== rule && !COMPANIONS[rule]?.includes(each));
    assertEquals(others, [], JSON.stringify(validation.findings.kept, null, 1));
    const packed = await validateCapture({ ...victim, ...more }, true);
    assertEquals(placesOf(packed), placesOf(validation), "compressed");
  });
}

Deno.test("validate: MFD-004, two channels with one number", async () => {
  const victim = victimOf("pc-multifd");
  victim.channels[1]![24] = 0;
  assertEquals(rulesOf(await validateCapture(victim)), ["MFD-004"]);
});

Deno.test("validate: every rule about multifd is broken by a test, or can't be checked", () => {
  const tested = new Set([...BREAKS.map(({ rule }) => rule), ...Object.keys(NOT_CHECKABLE)]);
  const ids = RULES.map(({ id }) => id).filter((id) => id.startsWith("MFD-"));
  assertEquals(ids.filter((id) => !tested.has(id)), []);
});

Deno.test("validate: nothing is wrong with recorded captures", async () => {
  const names = caseNames((each) => each.files.some(({ role }) => role !== "stream"));
  assert(names.length >= 5);
  for (const name of names) {
    await withFolder(async (folder) => {
      for (const [index, file] of loadCase(name).files.entries()) {
        Deno.writeFileSync(`${folder}/${index}`, loadStream(name, file));
      }
      const found = (await validatePath(folder)).findings.kept.filter(isOfThisFile);
      assertEquals(found, [], name);
    });
  }
});

const isOfThisFile = ({ rule }: Finding) => /^(MFD|CON|QCW)-/.test(rule);

Deno.test("validate: damage in a channel hides neither later damage in it nor that in others", async () => {
  const victim = victimOf("pc-multifd");
  const { full, sync } = victim;
  put32(channel0(victim), full.offset + HEADER_BYTES + 4, 0x101);
  victim.channels[0]![sync.offset + 40] = 1;
  victim.channels[1]![40] = 1;
  const validation = await validateCapture(victim);
  assertEquals(rulesOf(validation), ["MFD-005", "MFD-012", "MFD-018"]);
  const paths = validation.findings.kept.map(({ path: [first = ""] }) => first);
  assertEquals(new Set(paths), new Set(["multifd channel 0", "multifd channel 1"]));
  // The main channel was looked at to its end.
  assertEquals(validation.checked.resumptions, 0);
  assertEquals(validation.checked.bytes, victim.main.length);
});

Deno.test("validate: an empty channel, and one of random bytes, end no validation", async () => {
  for (const size of [64, 65, 1000, 5000]) {
    const victim = victimOf("pc-multifd");
    const bytes = victim.channels[0]!.slice(0, size);
    bytes.fill(0x5a, 64);
    victim.channels[0] = bytes;
    const validation = await validateCapture(victim);
    assertEquals(validation.valid, false, String(size));
    assertEquals(validation.checked.bytes, victim.main.length);
    assert(rulesOf(validation).every((id) => id.startsWith("MFD-")), `${rulesOf(validation)}`);
  }
});

Deno.test("validate: a UUID of the configuration is that of the channels", async () => {
  // The recorded channels have none, so that any in the configuration is another one.
  const victim = victimOf("pc-multifd");
  assertEquals(filesOf("pc-multifd", "multifd").length, victim.channels.length);
  for (const bytes of victim.channels) bytes[10] = 9;
  assertEquals(rulesOf(await validateCapture(victim)), []);
  victim.channels[1]![10] = 8;
  const [finding] = (await validateCapture(victim)).findings.kept;
  assertEquals([finding?.rule, finding?.offset], ["MFD-029", 8]);
});
