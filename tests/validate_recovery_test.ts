import { assert, assertEquals } from "@std/assert";
import { KEPT_FINDINGS } from "../analyze/validate/findings.ts";
import { validateSteps, type Validation } from "../analyze/validate/validate.ts";
import { isFormatError } from "../format/error.ts";
import type { StreamItem } from "../format/items.ts";
import { brokenBy, inputOf, validateBytes, Victim } from "./breaking.ts";
import { mutate, victimOf } from "./mutations.ts";
import { CountingSource, Random } from "./reading.ts";
import { HANG_MS } from "./patience.ts";
import { caseNames, loadCase, loadStream } from "./testdata.ts";

/** Rules and offsets of what was found. */
function found({ findings }: Validation): string[] {
  return findings.kept.map(({ rule, offset }) => `${rule} ${offset}`);
}

Deno.test("recovery: two damages of different sections are both found", () => {
  const victim = new Victim("pc");
  const first = victim.section("full", "i8254").payloadEnd;
  const second = victim.section("full", "globalstate").payloadOffset;
  victim.put(first, 0x7f);
  victim.put(second + 4, 0x58);
  const validation = validateBytes(victim.bytes);
  assertEquals(found(validation), [`SEC-016 ${first}`, `SEC-022 ${second + 4}`]);
  assertEquals(validation.checked.resumptions, 1);
});

Deno.test("recovery: damage in the RAM leaves the devices to be checked", () => {
  const victim = new Victim("pc");
  const { payloadOffset } = victim.section("part", "ram");
  const level = victim.field(({ type }) => type === "pci irq state").offset;
  victim.put(payloadOffset + 6, 0xff, 0xff);
  victim.put(level, 9);
  const rules = brokenBy(validateBytes(victim.bytes));
  assertEquals(rules.length, 2, rules.join());
  assert(rules.includes("FLD-004") && rules.some((rule) => rule.startsWith("RAM-")));
});

Deno.test("recovery: behind a damaged header the next section is found", () => {
  for (const at of [0, 4, 5]) {
    const victim = new Victim("pc");
    const item = victim.section("full", "i8254");
    victim.put(item.offset + at, 0xee);
    const whole = validateBytes(loadStream("pc")).checked.sections;
    const { checked, findings } = validateBytes(victim.bytes);
    assert(findings.countOf("error") >= 1, `byte ${at}`);
    assert(checked.sections >= whole - 1, `byte ${at}: ${checked.sections} of ${whole} sections`);
  }
});

Deno.test("recovery: without a usable description devices end at their footers", () => {
  const victim = new Victim("pc");
  victim.put(victim.description.textOffset, 0x78);
  const { checked, findings, valid } = validateBytes(victim.bytes);
  assertEquals([...findings.counts.keys()], ["END-006"]);
  assertEquals(
    checked.undescribed,
    new Victim("pc").items.filter(({ kind }) => kind === "footer").length - 3,
  );
  assertEquals(checked.resumptions, 0);
  assert(valid, "a description is no part of what QEMU loads");
});

Deno.test("recovery: a cut-off input is reported once, wherever it ends", () => {
  for (const name of ["pc", "pc-no-footer", "pc-postcopy", "pc-no-vmdesc", "s390x"]) {
    const bytes = loadStream(name);
    const { items } = new Victim(name);
    // Without footers and description, nothing tells the state of a device from an EOF.
    const hasEnds = name !== "pc-no-footer";
    const isEnd = (item: StreamItem) =>
      hasEnds ? item.kind === "eof" : item.kind === "section" && item.type === "full";
    const end = items.find(isEnd)!.offset;
    const random = new Random(4711);
    for (let round = 0; round < 40; round++) {
      const length = 9 + random.below(end - 9);
      const { findings, valid } = validateBytes(bytes.slice(0, length));
      assert(!valid, `${name} of ${length} bytes`);
      assertEquals(findings.countOf("error"), 1, `${name} of ${length} bytes: ${lines(findings)}`);
    }
  }
});

function lines({ kept }: Validation["findings"]): string {
  return kept.map(({ rule, offset, message }) => `${rule} at ${offset}: ${message}`).join("; ");
}

Deno.test("recovery: a capability that was lost with the configuration is remembered", () => {
  const victim = new Victim("pc-ignore-shared");
  victim.put32(victim.configuration.offset + 1, 0xffffffff);
  assertEquals(brokenBy(validateBytes(victim.bytes)), ["CFG-002"]);
});

Deno.test("recovery: real streams break no rule", () => {
  /** Streams that were made without what current machine types have. */
  const known: Readonly<Record<string, readonly string[]>> = {
    "pc-no-footer": ["SEC-018"],
    "pc-no-vmdesc": ["END-003"],
  };
  for (const name of caseNames(({ files }) => files.length === 1)) {
    const offset = name.endsWith("-offset") ? 0x1234 : 0;
    const expected = [...known[name] ?? [], ...(offset > 0 ? ["STR-004"] : [])];
    const validation = validateBytes(loadStream(name), offset);
    assertEquals(validation.findings.countOf("error"), 0, `${name}: ${lines(validation.findings)}`);
    const own = brokenBy(validation).filter((id) =>
      /^(STR|CFG|SEC|CMD|END|VMD|SUB|FLD|LIM)/.test(id)
    );
    assertEquals(own, expected, `${name} (${loadCase(name).about})`);
  }
});

Deno.test("recovery: whatever is damaged, the search reads the input a few times only, and findings are bounded", () => {
  const names = ["pc", "pc-no-vmdesc", "pc-postcopy", "pc-mapped", "none", "q35-virtio", "s390x"];
  for (const name of names) {
    const victim = victimOf(name, loadStream(name));
    const random = new Random(42);
    for (let round = 0; round < 60; round++) {
      const { bytes, done } = mutate(victim, random);
      try {
        checkBounds(bytes);
      } catch (error) {
        throw new Error(`${name}: ${done}`, { cause: error });
      }
    }
  }
});

/** Device readings, searches for ends and for the description read again what was read. */
const READS_PER_BYTE = 60;

function checkBounds(bytes: Uint8Array): void {
  const source = new CountingSource(bytes);
  const steps = validateSteps({ ...inputOf(bytes), source });
  let validation: Validation | undefined;
  while (validation === undefined) {
    const step = steps.next();
    if (step.done) validation = step.value;
  }
  const { findings, checked } = validation;
  for (const { offset } of findings.kept) {
    assert(offset >= 0 && offset <= bytes.length, `offset ${offset} of ${bytes.length}`);
  }
  for (const rule of findings.counts.keys()) {
    assert(findings.kept.filter((each) => each.rule === rule).length <= KEPT_FINDINGS);
  }
  assert(checked.resumptions <= 100);
  assert(findings.unchecked.length <= 101);
  assert(
    source.bytesRead <= READS_PER_BYTE * bytes.length + (32 << 20),
    `${source.bytesRead} read`,
  );
}

Deno.test("recovery: a stream that is damaged everywhere is given up, in time that grows with its size", () => {
  const victim = new Victim("pc");
  const { offset } = victim.section("full", "i8254");
  // Headers that begin well and fail, without end.
  const header = [4, 0, 0, 0, 1, 3, 0x61, 0x62, 0x63, 0, 0, 0, 0, 0, 0, 0, 1, 0xee];
  const filler = new Uint8Array(8 << 20);
  for (let at = 0; at < filler.length; at++) filler[at] = header[at % header.length]!;
  const bytes = victim.splice(offset, 0, filler);
  const start = performance.now();
  const { findings, checked, valid } = validateBytes(bytes);
  assert(!valid);
  assert(checked.resumptions <= 100, `${checked.resumptions} resumptions`);
  assert(findings.kept.length <= 200, `${findings.kept.length} findings`);
  assert(performance.now() - start < HANG_MS);
});

Deno.test("recovery: nothing but errors of the format comes out of damage", () => {
  const bytes = loadStream("pc");
  const random = new Random(7);
  for (let round = 0; round < 100; round++) {
    const damaged = bytes.slice();
    for (let count = 0; count < 20; count++) {
      damaged[random.below(damaged.length)] = random.below(256);
    }
    try {
      validateBytes(damaged);
    } catch (error) {
      assert(!isFormatError(error));
      throw error;
    }
  }
});
