/**
 * Whether an image would load in another QEMU: against itself, against others, and against what `-dump-vmstate` writes.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { zstdDecompressSync } from "node:zlib";
import type { Destination } from "../analyze/validate/against/destination.ts";
import { parseDump } from "../analyze/validate/against/dump.ts";
import { descriptionDestination, loadDestination } from "../analyze/validate/against/load.ts";
import { compareDevice } from "../analyze/validate/against/compare.ts";
import { describedDevices, deviceKey } from "../analyze/validate/against/destination.ts";
import type { Finding } from "../analyze/validate/findings.ts";
import { RULES } from "../analyze/validate/rules/mod.ts";
import { validateInput } from "../analyze/validate/validate_input.ts";
import { openInput } from "../container/open.ts";
import { FormatError } from "../format/error.ts";
import { BytesSource } from "../format/source.ts";
import { StreamReader } from "../format/stream.ts";
import {
  findVmdescriptionAtEnd,
  parseVmdescription,
  type Vmdescription,
} from "../format/vmdescription.ts";
import { vmdescriptionText } from "../format/vmdescription_text.ts";
import { migstream } from "./process.ts";
import { caseNames, loadStream, testdataPath, withTempFile } from "./testdata.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** What the QEMU said that wrote most of the streams. */
const DUMP_TEXT: Uint8Array<ArrayBuffer> = new Uint8Array(
  zstdDecompressSync(Deno.readFileSync(testdataPath("against/pc-i440fx-10.0.json.zst"))),
);

interface DumpField {
  field: string;
  version_id: number;
  field_exists: boolean;
  num?: number;
  size: number;
}

interface DumpStruct {
  name: string;
  version_id: number;
  minimum_version_id: number;
  Fields: DumpField[];
  Subsections?: DumpStruct[];
}

type Dump = Record<string, { Description: DumpStruct }>;

/** The dump with something changed in it. */
function dumpWith(change: (dump: Dump) => void = () => {}): Destination {
  const dump = JSON.parse(new TextDecoder().decode(DUMP_TEXT));
  change(dump);
  return parseDump(dump)!;
}

/** The findings against a destination that only a comparison makes. */
async function findingsOf(name: string, against: Destination): Promise<Finding[]> {
  let found: Finding[] = [];
  await withTempFile(loadStream(name), async (path) => {
    using input = await openInput(path, { seekable: true });
    const alone = new Set(validateInput(input).findings.kept.map((each) => JSON.stringify(each)));
    const { findings } = validateInput(input, { against });
    found = findings.kept.filter((each) => !alone.has(JSON.stringify(each)));
  });
  return found;
}

const facts = (findings: readonly Finding[]) =>
  findings.map(({ severity, rule, path }) => `${severity} ${rule} ${path.join(" > ")}`);

function descriptionOf(name: string): Vmdescription {
  const { text, offset } = findVmdescriptionAtEnd(new BytesSource(loadStream(name)))!;
  return parseVmdescription(text, offset);
}

Deno.test("against: no recorded stream differs from itself", async () => {
  let compared = 0;
  for (const name of caseNames(({ streamOffset }) => streamOffset === 0)) {
    await withTempFile(loadStream(name), async (path) => {
      let destination: Destination;
      try {
        destination = await loadDestination(path);
      } catch (error) {
        // Some were made without a description.
        assert(error instanceof FormatError && error.code === "bad-vmdescription", String(error));
        return;
      }
      compared += 1;
      assertEquals(facts(await findingsOf(name, destination)), [], name);
    });
  }
  assert(compared > 40, `${compared}`);
});

Deno.test("against: what QEMU 10.0 wrote fits what it says of itself", async () => {
  const names = ["pc-long-mode", "pc-stopped", "pc-uuid", "pc-mapped", "pc-live"];
  for (const name of names) assertEquals(facts(await findingsOf(name, dumpWith())), [], name);
});

Deno.test("against: another machine type, and nothing else between releases of one machine", async () => {
  for (const name of ["pc-7.2", "pc-11.1", "q35-virtio", "q35-usb-ahci"]) {
    const found = facts(await findingsOf(name, dumpWith()));
    assertEquals(found, ["error CFG-005 configuration"], name);
  }
});

Deno.test("against: two machines, as QEMU 10.0 judges them", async () => {
  // It refuses a machine type that is not its own, a device that it lacks and a block of another length, and loads the others.
  await withTempFile(loadStream("pc-long-mode"), async (path) => {
    const destination = await loadDestination(path);
    const found = await findingsOf("q35-virtio", destination);
    const errors = new Set(found.flatMap((each) => each.severity === "error" ? [each.rule] : []));
    for (const rule of ["CFG-005", "SEC-012"] as const) assert(errors.has(rule), rule);
    const lost = found.filter(({ rule }) => rule === "DST-007");
    assert(lost.length > 0 && lost.every(({ severity }) => severity === "warning"));
  });
});

Deno.test("against: the version counts that stands before the section", async () => {
  const bytes = loadStream("pc-stopped");
  const reader = new StreamReader(new BytesSource(bytes));
  const items = [...reader.items()];
  const pic = items.find((item) => item.kind === "section" && item.section.idstr === "i8259")!;
  assert(pic.kind === "section");
  new DataView(bytes.buffer).setUint32(pic.payloadOffset - 4, 9);
  await withTempFile(bytes, async (path) => {
    using input = await openInput(path, { seekable: true });
    const { kept } = validateInput(input, { against: dumpWith() }).findings;
    const errors = kept.filter(({ severity }) => severity === "error");
    assertEquals(errors.map(({ rule, found }) => `${rule} ${found}`), ["SEC-014 version 9"]);
  });
});

/** The field of a device's structure in the dump. */
function fieldOf(dump: Dump, type: string, name: string): DumpField {
  return dump[type]!.Description.Fields.find(({ field }) => field === name)!;
}

const PIC = "isa-i8259";
const PIC_TYPES = ["isa-i8259", "kvm-i8259", "pic-common"];

/** What changes in the dump, and what is then found in the stream `pc-long-mode`. */
const CHANGES: readonly {
  readonly what: string;
  readonly change: (dump: Dump) => void;
  readonly found: readonly string[];
}[] = [
  {
    what: "a device is gone",
    change: (dump) => void delete dump["PIIX3"],
    found: ['error SEC-012 section N "0000:00:01.0/PIIX3"'],
  },
  {
    what: "something is gone that may be no device",
    change: (dump) => void delete dump["port92"],
    found: ['warning SEC-012 section N "port92"'],
  },
  {
    what: "the version is lower",
    change: (dump) => Object.assign(dump["PIIX3"]!.Description, { version_id: 2 }),
    found: ['error SEC-014 section N "0000:00:01.0/PIIX3"'],
  },
  {
    what: "the minimum version is higher",
    change: (dump) =>
      Object.assign(dump["PIIX3"]!.Description, { version_id: 5, minimum_version_id: 4 }),
    found: ['error SEC-014 section N "0000:00:01.0/PIIX3"'],
  },
  {
    what: "a field is gone",
    change: (dump) => {
      for (const type of PIC_TYPES) dump[type]!.Description.Fields.splice(1, 1);
    },
    found: [
      'error DST-001 section N "i8259" > "irr"',
      'error DST-001 section N "i8259" > "irr"',
    ],
  },
  {
    what: "a field came",
    change: (dump) => {
      for (const type of PIC_TYPES) {
        const fields = dump[type]!.Description.Fields;
        fields.splice(2, 0, { ...fields[1]!, field: "fresh" });
      }
    },
    found: [
      'error DST-001 section N "i8259" > "fresh"',
      'error DST-001 section N "i8259" > "fresh"',
    ],
  },
  {
    what: "a field came with a new version",
    change: (dump) => {
      for (const type of PIC_TYPES) {
        const description = dump[type]!.Description;
        const fields = description["Fields"]!;
        fields.push({ ...fields[1]!, field: "fresh", version_id: 9 });
        Object.assign(description, { version_id: 9 });
      }
    },
    found: [
      'warning DST-004 section N "i8259" > "fresh"',
      'warning DST-004 section N "i8259" > "fresh"',
    ],
  },
  {
    what: "a field that not every state has came",
    change: (dump) => {
      for (const type of PIC_TYPES) {
        const fields = dump[type]!.Description.Fields;
        fields.push(
          { ...fields[1]!, field: "fresh", field_exists: true },
        );
      }
    },
    found: [],
  },
  {
    what: "a field has another size",
    change: (dump) => {
      for (const type of PIC_TYPES) Object.assign(fieldOf(dump, type, "imr"), { size: 2 });
    },
    found: [
      'error DST-002 section N "i8259" > "imr"',
      'error DST-002 section N "i8259" > "imr"',
    ],
  },
  {
    what: "an array is longer",
    change: (dump) => Object.assign(fieldOf(dump, "PIIX3", "pci_irq_levels_vmstate"), { num: 5 }),
    found: ['error DST-002 section N "0000:00:01.0/PIIX3" > "pci_irq_levels_vmstate"'],
  },
  {
    what: "an array that may be empty came",
    change: (dump) => {
      const fields = dump["PIIX3"]!.Description.Fields;
      const count = { ...fields[1]!, field: "num_fresh" };
      fields.push(count, { ...fields[0]!, field: "fresh" });
      Object.assign(dump["PIIX3"]!.Description, { version_id: 3 });
      Object.assign(count, { field_exists: true });
    },
    found: ['warning DST-003 section N "0000:00:01.0/PIIX3" > "fresh"'],
  },
];

for (const { what, change, found } of CHANGES) {
  Deno.test(`against: a dump in which ${what}`, async () => {
    const findings = facts(await findingsOf("pc-long-mode", dumpWith(change)));
    assertEquals(findings.map((each) => each.replace(/section \d+/, "section N")), found);
  });
}

Deno.test("against: the types of the PIC have the fields that are changed above", () => {
  const dump = JSON.parse(new TextDecoder().decode(DUMP_TEXT)) as Dump;
  for (const type of PIC_TYPES) assertEquals(dump[type]!.Description.name, "i8259");
  assertEquals(fieldOf(dump, PIC, "irr").size, 1);
});

Deno.test("against: a subsection that is unknown, or of a newer version", async () => {
  const name = "pc-live";
  const description = descriptionOf(name);
  const device = description.devices.find(({ state }) =>
    state.subsections.length > 0 && dumpWith().devices.has(state.vmsdName)
  );
  assert(device !== undefined);
  const [subsection] = device.state.subsections;
  const each = (change: (list: DumpStruct[], index: number) => void) => (dump: Dump) => {
    for (const type of Object.values(dump)) {
      const struct = type.Description as DumpStruct | undefined;
      if (struct?.name !== device.state.vmsdName) continue;
      const list = struct.Subsections!;
      change(list, list.findIndex((one) => one.name === subsection!.vmsdName));
    }
  };
  const place = `"${device.name}" > "${subsection!.vmsdName}"`;
  const gone = await findingsOf(name, dumpWith(each((list, index) => list.splice(index, 1))));
  assertEquals(gone.map(({ rule, severity }) => `${severity} ${rule}`), ["error SUB-002"]);
  assertStringIncludes(gone[0]!.path.join(" > "), place);
  const newer = await findingsOf(
    name,
    dumpWith(each((list, index) => {
      Object.assign(list[index]!, { minimum_version_id: subsection!.version + 1 });
      Object.assign(list[index]!, { version_id: subsection!.version + 1 });
    })),
  );
  assertEquals(newer.map(({ rule, severity }) => `${severity} ${rule}`), ["error SUB-004"]);
});

Deno.test("against: a description as JSON text says the same as the image that it is from", async () => {
  const text = vmdescriptionText(descriptionOf("pc-7.2"));
  let bare: string[] = [];
  await withTempFile(new Uint8Array(text), async (path) => {
    bare = facts(await findingsOf("pc-long-mode", await loadDestination(path)));
  });
  await withTempFile(loadStream("pc-7.2"), async (path) => {
    const whole = facts(await findingsOf("pc-long-mode", await loadDestination(path)));
    assert(bare.length > 0);
    const onlyImage = /(CFG-005|RAM-006|RAM-007|DST-006)/;
    assertEquals(bare.toSorted(), whole.filter((each) => !onlyImage.test(each)).toSorted());
  });
});

Deno.test("against: blocks that are missing, longer, or too many, and another page size", async () => {
  await withTempFile(loadStream("pc-long-mode"), async (path) => {
    const destination = await loadDestination(path);
    const [first, second, ...others] = destination.blocks!;
    const longer = { ...second!, usedLengthBytes: second!.usedLengthBytes * 2 };
    const extra = { ...first!, name: "extra.ram" };
    const blocks = [longer, ...others, extra];
    const found = await findingsOf("pc-long-mode", { ...destination, blocks, pageBytes: 8192 });
    const rules = found.map(({ rule }) => rule).toSorted();
    assertEquals(rules, ["DST-005", "DST-006", "RAM-006", "RAM-007"]);
  });
});

Deno.test("against: differences between two descriptions of a device", () => {
  const { devices } = descriptionOf("pc-long-mode");
  const { name, instanceId, state } = devices.find((each) => each.name === "i8259")!;
  const differences = (change: (field: (typeof state.fields)[number]) => object) => {
    const fields = state.fields.map((field) =>
      field.name === "imr" ? { ...field, ...change(field) } : field
    );
    const other = {
      pageBytes: undefined,
      devices: [{ name, instanceId, state: { ...state, fields } }],
    };
    const candidates = describedDevices(other).get(deviceKey({ name, instanceId }))!;
    return compareDevice(state, state.version, candidates, false).map(({ rule, severity }) =>
      `${severity} ${rule}`
    );
  };
  assertEquals(differences(() => ({})), []);
  assertEquals(differences(() => ({ sizeBytes: 2 })), ["error DST-002"]);
  assertEquals(differences(() => ({ type: "bool" })), ["warning DST-002"]);
  assertEquals(differences(() => ({ type: "uint16", sizeBytes: 2 })), ["error DST-002"]);
  assertEquals(differences(() => ({ arrayLength: 3 })), ["warning DST-003"]);
  assertEquals(differences(() => ({ type: "struct", struct: state })), ["error DST-002"]);
  assertEquals(differences(() => ({ name: "other" })), ["warning DST-003", "warning DST-003"]);
});

Deno.test("against: an image without a description, and files that are nothing of the kind", async () => {
  await withTempFile(loadStream("pc-no-vmdesc"), async (path) => {
    const error = await assertRejects(() => loadDestination(path), FormatError);
    assertEquals(error.code, "bad-vmdescription");
    using input = await openInput(path, { seekable: true });
    const { findings } = validateInput(input, { against: dumpWith() });
    assert(findings.unchecked.some(({ reason }) => reason.includes("not compared")));
  });
  const wrong = [
    '{"vmschkmachine": {"Name": "x"}, "a": {"Description": {"name": 1}}}',
    '{"vmschkmachine": {"Name": "x"}, "a": {"Description": {"name": "a", "version_id": 1.5}}}',
    "{}",
    "{",
    "\n",
  ];
  for (const text of wrong) {
    await withTempFile(encode(text) as Uint8Array<ArrayBuffer>, async (path) => {
      await assertRejects(() => loadDestination(path), FormatError);
    });
  }
  const deep = (levels: number): string =>
    levels === 0 ? "" : `,"Fields":[{"field":"f","version_id":0,"field_exists":false,"size":1,` +
      `"Description":{"name":"n","version_id":0,"minimum_version_id":0${deep(levels - 1)}}}]`;
  const text = `{"vmschkmachine":{"Name":"x"},"a":{"Description":{"name":"n","version_id":0,` +
    `"minimum_version_id":0${deep(200)}}}}`;
  await withTempFile(encode(text) as Uint8Array<ArrayBuffer>, async (path) => {
    await assertRejects(() => loadDestination(path), FormatError, "Structures");
  });
});

Deno.test("against: an empty description has none of the devices", async () => {
  const destination = descriptionDestination({ pageBytes: 4096, devices: [] });
  const found = await findingsOf("pc-long-mode", destination);
  assert(
    found.length > 0 &&
      found.every(({ rule, severity }) => rule === "SEC-012" && severity === "error"),
  );
});

Deno.test("against: the command tells it, and ends with 1", async () => {
  await withTempFile(DUMP_TEXT, async (dump) => {
    await withTempFile(loadStream("q35-virtio"), async (path) => {
      const args = ["validate", path, "--against", dump];
      const { code, out } = await migstream(args, { permissions: ["-R", "-W"] });
      assertEquals(code, 1);
      assertStringIncludes(out, "CFG-005");
      assertStringIncludes(out, "expected pc-i440fx-10.0; found pc-q35-10.0");
    });
    await withTempFile(loadStream("pc-long-mode"), async (path) => {
      const args = ["validate", path, "--against", dump, "--strict"];
      const { code, out } = await migstream(args, { permissions: ["-R", "-W"] });
      assertEquals([code, out], [0, `${path}: ok\n`]);
    });
  });
});

Deno.test("against: each rule about a destination is met in a test", () => {
  const text = Deno.readTextFileSync(new URL(import.meta.url));
  const ids = RULES.map(({ id }) => id).filter((id) => id.startsWith("DST-"));
  for (const id of ids) assert(text.includes(`"${id}"`) || text.includes(` ${id} `), id);
});
