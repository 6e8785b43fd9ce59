import { encodeFooter, encodeSectionHeader } from "../format/section.ts";
import { ByteWriter } from "../format/writer.ts";
import { type Break, testBreaks, type Victim } from "./breaking.ts";
import { StreamBuilder } from "./streams.ts";

/** Replaces the first place of some text in the description. */
function redescribe(from: string | RegExp, to: string): (victim: Victim) => Uint8Array {
  return (victim) => victim.describe((text) => text.replace(from, to));
}

/** The same in what it says about devices. */
function redescribeDevice(from: string, to: string): (victim: Victim) => Uint8Array {
  return (victim) =>
    victim.describe((text) => {
      const at = text.indexOf('"devices"');
      return text.slice(0, at) + text.slice(at).replace(from, to);
    });
}

/** A subsection in the stream: where it stands, and its framing. */
function subsection(victim: Victim, name: string): { offset: number; versionOffset: number } {
  const wanted = [5, name.length, ...new TextEncoder().encode(name)];
  const at = victim.bytes.findIndex((byte, index) =>
    byte === 5 && wanted.every((each, k) => victim.bytes[index + k] === each)
  );
  if (at < 0) throw new Error(`no ${name}`);
  return { offset: at, versionOffset: at + wanted.length };
}

/** A field of four bytes. */
function number(name: string): { name: string; type: string; size: number } {
  return { name, type: "uint32", size: 4 };
}

/** A package inside a package, so many times. */
function nest(builder: StreamBuilder, depth: number): void {
  if (depth === 0) builder.command({ name: "SWITCHOVER_START" });
  else builder.package((inner) => nest(inner, depth - 1));
}

const END_BREAKS: readonly Break[] = [
  { rule: "END-001", from: "pc-no-vmdesc", break: ({ bytes }) => bytes.slice(0, -1) },
  {
    rule: "END-002",
    from: "pc",
    how: "before the devices",
    break: (victim) => victim.splice(victim.endOf(victim.section("end", "ram")), 0, [0]),
  },
  {
    rule: "END-002",
    from: "pc",
    how: "between devices",
    break: (victim) => victim.splice(victim.endOf(victim.section("full", "i8254")), 0, [0]),
  },
  {
    rule: "END-002",
    from: "pc-no-vmdesc",
    how: "without description",
    break: (victim) => victim.splice(victim.endOf(victim.section("full", "i8254")), 0, [0]),
    also: ["SEC-020"],
  },
  {
    rule: "END-002",
    from: "pc",
    how: "no devices at all",
    break: (victim) => {
      const start = victim.endOf(victim.section("end", "ram"));
      victim.splice(start, victim.first("eof").offset - start);
      return victim.bytes.slice(0, start + 1);
    },
    also: ["END-003"],
  },
  { rule: "END-003", from: "pc-no-vmdesc", break: ({ bytes }) => bytes },
  { rule: "END-004", from: "pc", break: (victim) => victim.splice(victim.first("eof").offset, 1) },
  {
    rule: "END-005",
    from: "pc",
    how: "too long",
    break: (victim) => {
      const { textOffset, text } = victim.description;
      return victim.put32(textOffset - 4, text.length + 100);
    },
  },
  {
    rule: "END-005",
    from: "pc",
    how: "too short",
    break: (victim) => {
      const { textOffset, text } = victim.description;
      return victim.put32(textOffset - 4, text.length - 100);
    },
  },
  { rule: "END-006", from: "pc", break: (v) => v.put(v.description.textOffset, 0x78) },
  {
    rule: "END-006",
    from: "pc",
    how: "without page_size",
    break: redescribe('"page_size": 4096, ', ""),
  },
  {
    rule: "END-006",
    from: "pc",
    how: "no UTF-8",
    break: (victim) => {
      victim.describe((text) => text.replace('"page_size"', '"comment": "?", "page_size"'));
      const at = new TextDecoder("latin1").decode(victim.bytes).indexOf('"comment": "?"');
      return victim.put(at + 12, 0xff);
    },
  },
  { rule: "END-006", from: "pc", how: "no devices", break: redescribe('"devices"', '"divices"') },
  {
    rule: "END-007",
    from: "pc",
    break: (victim) => victim.splice(victim.bytes.length, 0, new Uint8Array(512)),
  },
  {
    rule: "END-008",
    from: "pc-no-vmdesc",
    break: (victim) => victim.splice(victim.bytes.length, 0, [6, 0, 0, 0, 0]),
  },
];

const STATE_BREAKS: readonly Break[] = [
  {
    rule: "VMD-001",
    from: "pc",
    how: "a section too many",
    break: redescribe('"name": "i8254", "instance_id": 0', '"name": "i8255", "instance_id": 0'),
  },
  {
    rule: "VMD-001",
    from: "pc",
    how: "a section too few",
    break: (victim) => victim.remove(victim.section("full", "i8254")),
  },
  {
    rule: "VMD-002",
    from: "pc",
    how: "a size in the description",
    break: (victim) =>
      victim.describe((text) => {
        const at = text.indexOf('"name": "i8254"');
        return text.slice(0, at) + text.slice(at).replace('"size": 4', '"size": 3');
      }),
    also: ["VMD-006"],
  },
  {
    rule: "VMD-002",
    from: "pc",
    how: "a byte too many in a device",
    break: (victim) => victim.splice(victim.section("full", "i8254").payloadEnd, 0, [0x55]),
  },
  {
    rule: "VMD-003",
    from: "pc",
    break: redescribe(/\]}, "size": (\d+)}/, ']}, "size": 1$1}'),
  },
  {
    rule: "VMD-004",
    from: "pc",
    break: (victim) => victim.put(victim.section("full", "i8254").payloadOffset - 1, 77),
  },
  { rule: "VMD-005", from: "pc", how: "negative", break: redescribe('"size": 8', '"size": -8') },
  {
    rule: "VMD-005",
    from: "pc",
    how: "an array of one",
    break: redescribeDevice(
      '"type": "uint32", "size": 4',
      '"array_len": 1, "type": "uint32", "size": 4',
    ),
  },
  {
    rule: "VMD-006",
    from: "pc",
    break: redescribeDevice('"type": "uint32", "size": 4', '"type": "uint16", "size": 4'),
  },
  {
    rule: "VMD-007",
    from: "pc",
    break: redescribe('"page_size": 4096', '"page_size": 4096, "page_size": 4096'),
  },
  {
    rule: "VMD-008",
    from: "s390x-11.1",
    break: (victim) => {
      const { offset } = victim.field(({ type }) => type === "ptr-marker");
      return victim.put(offset, 0x32);
    },
  },
  {
    rule: "VMD-009",
    from: "pc",
    break: (victim) => victim.put(victim.field(({ type }) => type === "bool").offset, 2),
  },
  {
    rule: "VMD-010",
    from: "pc",
    break: (victim) => {
      const last = victim.section("full", "globalstate");
      const identity = { id: 4711, idstr: "pointers", instanceId: 0, versionId: 1 };
      const writer = new ByteWriter();
      encodeSectionHeader(writer, "full", identity);
      // Two elements by the description, the second of which is null.
      writer.bytes(Uint8Array.of(0, 0, 0, 1, 0x30));
      encodeFooter(writer, identity.id);
      const struct = { vmsd_name: "s", version: 1, fields: [number("a")] };
      const field = { name: "p", array_len: 2, type: "struct", struct, size: 4 };
      const device = { name: "pointers", instance_id: 0, vmsd_name: "p", version: 1 };
      const json = JSON.stringify({ ...device, fields: [field] });
      victim.describe((text) =>
        text.replace('{"name": "globalstate"', `${json}, {"name": "globalstate"`)
      );
      return victim.splice(last.offset, 0, writer.finish());
    },
  },
  {
    rule: "VMD-011",
    from: "pc",
    how: "version",
    break: (victim) => victim.put32(subsection(victim, "fw_cfg/dma").versionOffset, 4711),
  },
  {
    rule: "VMD-011",
    from: "pc",
    how: "name",
    break: (victim) => victim.put(subsection(victim, "fw_cfg/dma").offset + 8, 0x58),
  },
  {
    rule: "SUB-001",
    from: "pc",
    how: "tag",
    break: (victim) => victim.put(subsection(victim, "fw_cfg/dma").offset, 4),
  },
  {
    rule: "SUB-001",
    from: "pc",
    how: "name",
    break: (victim) => {
      victim.put(subsection(victim, "fw_cfg/dma").offset + 2, 0x58);
      return victim.describe((text) => text.replace('"fw_cfg/dma"', '"Xw_cfg/dma"'));
    },
  },
  {
    rule: "SUB-003",
    from: "pc",
    break: (victim) => {
      const { offset, versionOffset } = subsection(victim, "fw_cfg/dma");
      const bytes = victim.bytes.slice(offset, versionOffset + 4 + 8);
      victim.describe((text) =>
        text.replace(/{"vmsd_name": "fw_cfg\/dma".*?\]}/, (found) => `${found}, ${found}`)
      );
      return victim.splice(offset, 0, bytes);
    },
  },
  {
    rule: "SUB-005",
    from: "pc",
    break: (victim) => {
      victim.put32(subsection(victim, "fw_cfg/dma").versionOffset, 257);
      return victim.describe((text) =>
        text.replace('"fw_cfg/dma", "version": 0', '"fw_cfg/dma", "version": 257')
      );
    },
  },
  {
    rule: "FLD-002",
    from: "pc",
    break: (victim) => victim.put(victim.field(({ type }) => type === "int32 le").offset, 0xff),
  },
  {
    rule: "FLD-003",
    from: "pc",
    break: (victim) => victim.put(victim.field(({ type }) => type === "unused_buffer").offset, 1),
  },
  {
    rule: "FLD-004",
    from: "pc",
    break: (victim) => victim.put(victim.field(({ type }) => type === "pci irq state").offset, 2),
  },
  {
    rule: "LIM-001",
    from: "none",
    how: "packages inside each other",
    break: () => {
      const builder = new StreamBuilder();
      nest(builder, 5);
      return builder.bytes();
    },
    // What the innermost one holds is found again, but no EOF follows.
    also: ["END-001"],
  },
  {
    rule: "LIM-002",
    from: "pc-postcopy",
    break: (victim) => {
      const { offset, lengthBytes } = victim.command("POSTCOPY_RAM_DISCARD");
      return victim.put(offset + lengthBytes - 16, 0xff);
    },
  },
];

testBreaks(
  ["END", "VMD", "SUB", "FLD", "LIM"],
  [...END_BREAKS, ...STATE_BREAKS],
  ["SUB-002", "SUB-004", "FLD-001"],
);
