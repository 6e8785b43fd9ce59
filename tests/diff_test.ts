/**
 * Comparing guests: forms of one guest, known changes, and what one side lacks.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { ChangeList } from "../analyze/diff/changes.ts";
import { diffDevice } from "../analyze/diff/device.ts";
import { diffGuests, type DiffOptions, type GuestDiff } from "../analyze/diff/diff.ts";
import { DEFAULT_IGNORES, IgnoreList } from "../analyze/diff/ignore.ts";
import { readDiffSide } from "../analyze/diff/side.ts";
import { EditError } from "../analyze/edit/edit_error.ts";
import { resolveField } from "../analyze/edit/field_path.ts";
import { setFields } from "../analyze/edit/set_field.ts";
import { buildImage, type ImagePlan } from "../analyze/image/build.ts";
import { imageBytes } from "../analyze/image/save.ts";
import { readState } from "../analyze/state.ts";
import { openInput } from "../container/open.ts";
import type { ChunkPlace } from "../format/chunk.ts";
import { isFormatError } from "../format/error.ts";
import { BytesSource } from "../format/source.ts";
import { decodeVmstate } from "../format/vmstate.ts";
import { convert, type Place, putCase } from "./converting.ts";
import { mutate, victimOf } from "./mutations.ts";
import { withFolder } from "./process.ts";
import { Random } from "./reading.ts";
import { loadCase, loadStream } from "./testdata.ts";

async function diffPlaces(left: Place, right: Place, options: DiffOptions = {}) {
  using leftInput = await openInput(left.path, { offset: left.offset, keepAll: true });
  using rightInput = await openInput(right.path, { offset: right.offset, keepAll: true });
  using ours = readDiffSide(leftInput, { keepGoing: true });
  using theirs = readDiffSide(rightInput, { keepGoing: true });
  return diffGuests(ours, theirs, options);
}

async function diffBytes(left: Uint8Array, right: Uint8Array, options: DiffOptions = {}) {
  let diff: GuestDiff | undefined;
  await withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/left`, left);
    await Deno.writeFile(`${folder}/right`, right);
    const place = (name: string) => ({ path: `${folder}/${name}`, offset: 0 });
    diff = await diffPlaces(place("left"), place("right"), options);
  });
  return diff!;
}

/** The numbers of the pages that differ, by block. */
function changedPages({ ram }: GuestDiff): Record<string, number[]> {
  return Object.fromEntries(ram.map(({ name, ranges, pageBytes }) => [
    name,
    [...ranges].flatMap(([start, end]) =>
      Array.from({ length: (end - start) / pageBytes }, (_, page) => start / pageBytes + page)
    ),
  ]));
}

const GUESTS = ["pc", "pc-xbzrle", "pc-multifd-zstd", "pc-mapped", "q35-virtio", "s390x"];

for (const name of GUESTS) {
  Deno.test(`diff: ${name} is the same in every form`, async () => {
    await withFolder(async (folder) => {
      const places = [await putCase(folder, name)];
      for (const to of ["stream", "mapped-ram", "capture"] as const) {
        const [{ path, offset }] = [places[0]!];
        await convert(path, `${folder}/${to}`, { to, offset });
        places.push({ path: `${folder}/${to}`, offset: 0 });
      }
      for (const [index, left] of places.entries()) {
        for (const right of places.slice(index)) {
          const { same, configuration, sections, state, ram, blocks, ignored } = await diffPlaces(
            left,
            right,
          );
          assertEquals({ configuration, sections, state, ram }, {
            configuration: [],
            sections: [],
            state: [],
            ram: [],
          }, `${left.path} ${right.path}`);
          assertEquals([same, blocks > 0], [true, true]);
          const counted = ignored.filter(({ count }) => count > 0).map(({ glob }) => glob);
          const isMapped = "configuration/capabilities/mapped-ram";
          assert(counted.every((glob) => glob === isMapped), counted.join());
        }
      }
    });
  });
}

Deno.test("diff: two recorded guests differ the same from both sides", async () => {
  const [pc, stopped] = [loadStream("pc"), loadStream("pc-live")];
  const there = await diffBytes(pc, stopped, { ignore: [] });
  const back = await diffBytes(stopped, pc, { ignore: [] });
  const turned = (changes: GuestDiff["state"]) =>
    changes.map(({ path, left, right }) => ({ path, left: right, right: left }));
  const byPath = (changes: GuestDiff["state"]) =>
    changes.toSorted((a, b) => a.path < b.path ? -1 : 1);
  assert(there.state.length > 0 && there.ram.length > 0);
  assertEquals(byPath(back.state), byPath(turned(there.state)));
  assertEquals(byPath(back.sections), byPath(turned(there.sections)));
  assertEquals(changedPages(back), changedPages(there));
});

/** Sections with a device of a recorded stream. */
function devicesOf(name: string) {
  const source = new BytesSource(loadStream(name));
  const { entries } = readState(source, { offset: loadCase(name).streamOffset });
  return entries.map(({ first }) => first).filter(({ device }) => device !== undefined);
}

/** Flips bytes of devices, and says what became of each. */
function flipBytes(name: string, turns: number): { flipped: number; pasted: number } {
  const random = new Random(11);
  const sections = devicesOf(name).filter(({ device }) => device!.bytes.length > 0);
  let [flipped, pasted] = [0, 0];
  for (let turn = 0; turn < turns; turn++) {
    const section = random.of(sections);
    const device = section.device!;
    const bytes = device.bytes.slice();
    const at = random.below(bytes.length);
    bytes[at]! ^= 1 << random.below(8);
    let state;
    try {
      state = decodeVmstate(bytes, device.description.state, { reading: device.reading });
    } catch (error) {
      assert(isFormatError(error));
      continue; // it was a length or a marker
    }
    if (state.lengthBytes !== bytes.length) continue;
    const { idstr, instanceId } = section.section;
    const list = new ChangeList(new IgnoreList([]));
    diffDevice(device, { state, bytes }, `${idstr}/${instanceId}`, list);
    const where = `${name}, ${idstr}, byte ${at}: ${JSON.stringify(list.changes, String)}`;
    // A key of a tree, or a null pointer's byte, may change what follows.
    if (list.changes.length !== 1) continue;
    flipped += 1;
    const { path, right } = list.changes[0]!;
    try {
      const { slots } = resolveField(device, path, `${idstr}/${instanceId}/`.length);
      const isThere = slots.some(({ offset, sizeBytes }) =>
        at >= offset && at < offset + sizeBytes
      );
      assert(isThere, where);
      // Long buffers show as ranges.
      if (/^0x[0-9a-f]+\.\.0x/.test(String(right))) continue;
      const payloads = setFields([section], [{ path, text: String(right) }]);
      assertEquals(payloads.get(section)!.toHex(), bytes.toHex(), where);
      pasted += 1;
    } catch (error) {
      // Some names stand twice, some values can't be set.
      assert(error instanceof EditError, `${where}: ${error}`);
      assertMatch(error.message, /this may be|marker|more than one|null pointer|takes/, where);
    }
  }
  return { flipped, pasted };
}

for (const name of ["pc", "q35-usb-ahci", "arm-microbit", "s390x", "ppc64-pseries", "sparc-ss5"]) {
  Deno.test(`diff: a changed byte of ${name} is one change, and convert --set takes it`, () => {
    const { flipped, pasted } = flipBytes(name, 150);
    assert(flipped >= 80, `${flipped} flipped`);
    assert(pasted >= flipped / 4, `${pasted} of ${flipped} pasted`);
  });
}

const COUNTER = { name: "counter", type: "uint64", sizeBytes: 8, inline: [] };
const TABLE = { name: "table", type: "uint8", sizeBytes: 1, arrayLength: 3000, inline: [] };

function plan(changes: Partial<ImagePlan> = {}): ImagePlan {
  const fields = [COUNTER, TABLE];
  return {
    machine: "pc-i440fx-10.0",
    blocks: [{ name: "pc.ram", sizeBytes: 2 ** 20, content: new Uint8Array(40 * 4096).fill(7) }],
    sections: [
      {
        idstr: "dev",
        description: { vmsdName: "dev", version: 2, fields, subsections: [] },
        values: { counter: 2n ** 63n },
      },
      { idstr: "raw", bytes: new Uint8Array(64).fill(1) },
    ],
    ...changes,
  };
}

const built = (changes?: Partial<ImagePlan>) => imageBytes(buildImage(plan(changes)));

Deno.test("diff: of a guest before and after known writes exactly those pages", async () => {
  const after = new Uint8Array(40 * 4096).fill(7);
  after[5 * 4096] = 8;
  after[6 * 4096 + 4095] = 8;
  after.fill(0, 20 * 4096, 21 * 4096);
  const content = [
    { address: 0, bytes: after },
    { address: 100 * 4096 + 17, bytes: Uint8Array.of(1) },
    { address: 101 * 4096, bytes: new Uint8Array(4096) },
  ];
  const blocks = [{ name: "pc.ram", sizeBytes: 2 ** 20, content }];
  const diff = await diffBytes(built(), built({ blocks }));
  assertEquals(changedPages(diff), { "pc.ram": [5, 6, 20, 100] });
  assertEquals(diff.ram.map(({ addedPages, gonePages }) => [addedPages, gonePages]), [[1, 1]]);
  assertEquals([diff.same, diff.state, diff.sections], [false, [], []]);
  const onlyState = await diffBytes(built(), built({ blocks }), { ram: false });
  assertEquals([onlyState.same, onlyState.ram], [true, []]);
});

Deno.test("diff: configuration, sections, versions and instances", async () => {
  const [dev, raw] = plan().sections!;
  const uuid = Uint8Array.from({ length: 16 }, (_, index) => index);
  const right = built({
    machine: "pc-i440fx-9.2",
    uuid,
    capabilities: ["some"],
    targetPageBits: 12,
    blocks: [...plan().blocks!, { name: "more", sizeBytes: 4096 }],
    sections: [
      { ...dev!, instanceId: 3 },
      { idstr: "raw", versionId: 4, bytes: new Uint8Array(60).fill(1) },
      { idstr: "new", bytes: Uint8Array.of(1) },
    ],
  });
  const { configuration, sections, state, ram } = await diffBytes(built(), right);
  assertEquals(configuration, [
    { path: "configuration/machine", left: "pc-i440fx-10.0", right: "pc-i440fx-9.2" },
    { path: "configuration/target-page-bits", left: null, right: 12 },
    { path: "configuration/capabilities/some", left: false, right: true },
    { path: "configuration/uuid", left: null, right: "00010203-0405-0607-0809-0a0b0c0d0e0f" },
  ]);
  assertEquals(sections, [
    { path: "dev/0", left: "instance 0", right: "instance 3" },
    { path: "raw/0", left: "version 1", right: "version 4" },
    { path: "new/0", left: null, right: "version 1" },
  ]);
  assertEquals(state, [{
    path: "raw/0/data",
    left: "64 bytes; 0x3c..0x40: 01010101",
    right: "60 bytes; 0x3c..0x40: -",
  }]);
  assertEquals(ram.map(({ name, left }) => [name, left]), [["more", undefined]]);
  const two = await diffBytes(built({ sections: [dev!] }), built({ sections: [raw!] }));
  assertEquals(two.sections, [
    { path: "dev/0", left: "version 2", right: null },
    { path: "raw/0", left: null, right: "version 1" },
  ]);
});

Deno.test("diff: numbers of 64 bits, elements by number, many elements, ignored ones", async () => {
  const [dev] = plan().sections!;
  const table = Array.from({ length: 3000 }, (_, index) => index === 7 || index > 2000 ? 1 : 0);
  const values = { counter: 5n, table };
  const right = built({ sections: [{ ...dev!, values } as typeof dev & object] });
  const left = built({ sections: [dev!] });
  const { state } = await diffBytes(left, right);
  assertEquals(state.slice(0, 3), [
    { path: "dev/0/counter", left: 2n ** 63n, right: 5n },
    { path: "dev/0/table[7]", left: 0, right: 1 },
    { path: "dev/0/table[2001]", left: 0, right: 1 },
  ]);
  assertEquals(state.length, 1 + 1000);
  const ignore = ["*/table[*]", "none"];
  const some = await diffBytes(left, right, { ignore });
  assertEquals(some.state.map(({ path }) => path), ["dev/0/counter"]);
  assertEquals(some.ignored, [{ glob: "*/table[*]", count: 1000 }, { glob: "none", count: 0 }]);
  const full = built({ sections: [{ ...dev!, values: { table: Array(3000).fill(1) } }] as never });
  const many = (await diffBytes(left, full)).state;
  assertEquals(many.length, 1 + 1024 + 1);
  assertEquals(many.at(-1)?.left, "1976 more elements differ");
});

Deno.test("diff: what nothing describes is compared by the other side's description, or as bytes", async () => {
  const [dev] = plan().sections!;
  const values = { ...dev!, values: { counter: 1n } } as typeof dev & object;
  const bare = built({ vmdescription: false });
  const one = await diffBytes(built(), built({ sections: [values], vmdescription: false }));
  assertEquals(one.state, [{ path: "dev/0/counter", left: 2n ** 63n, right: 1n }]);
  const both = await diffBytes(bare, built({ sections: [values], vmdescription: false }));
  assertEquals(both.state, [{
    path: "dev/0",
    left: "0x0..0x1: 80, 0x7..0x8: 00",
    right: "0x0..0x1: 00, 0x7..0x8: 01",
  }]);
  assertEquals(both.notes, ["1 section(s) compared as bytes: nothing describes them"]);
  assertEquals((await diffBytes(built(), bare)).same, true);
});

Deno.test("diff: globs match whole paths, stars match anything", () => {
  for (
    const [glob, path, isMatch] of [
      ["timer/*", "timer/0/cpu_clock_offset", true],
      ["timer/*", "a/timer/0", false],
      ["*/irq_state", "0000:00:01.0/e1000/0/parent_obj/irq_state", true],
      ["*/*/expire_timer", "uhci/0/expire_timer", true],
      ["*/*/expire_timer", "uhci/expire_timer", false],
      ["a*a", "a", false],
      ["a*a", "aa", true],
      ["a*b*a", "aba", true],
      ["*a*b*", "xxbxxaxxbxx", true],
      ["*.x[0]", "dev/0/y.x[0]", true],
      ["dev/0/x", "dev/0/x", true],
      ["dev/0/?", "dev/0/x", false],
      ["", "x", false],
    ] as const
  ) assertEquals(new IgnoreList([glob]).ignores(path), isMatch, `${glob} ${path}`);
  const bytes = new IgnoreList(["*/cmos_data[2]"]).bytesOf("rtc/0/cmos_data");
  assertEquals([bytes?.(2), bytes?.(3)], [true, false]);
  assertEquals(new IgnoreList(["*/cmos_data[2]"]).bytesOf("rtc/0/other"), undefined);
  // Many stars take no longer than the text is.
  assertEquals(new IgnoreList(["*a".repeat(500) + "b"]).ignores("a".repeat(100_000)), false);
  assertEquals(new Set(DEFAULT_IGNORES).size, DEFAULT_IGNORES.length);
});

Deno.test("diff: the clock's bytes of CMOS are passed over, others are not", async () => {
  const changed = (registers: number[]) => {
    const stream = loadStream("pc");
    const rtc = devicesOf("pc").find(({ section }) => section.idstr === "mc146818rtc")!;
    for (const register of registers) stream[rtc.payloadOffset + register]! ^= 0x11;
    return stream;
  };
  const clock = await diffBytes(loadStream("pc"), changed([0, 2, 4]));
  assertEquals(clock.same, true);
  assertEquals(clock.ignored.reduce((sum, { count }) => sum + count, 0), 3);
  const { same, state } = await diffBytes(loadStream("pc"), changed([0, 0x34]));
  assertEquals([same, state.map(({ path }) => path)], [false, ["mc146818rtc/0/cmos_data"]]);
  assertMatch(String(state[0]!.left), /^0x34\.\.0x35: [0-9a-f]{2}$/);
});

Deno.test("diff: what one side lacks is told and is no difference", async () => {
  await withFolder(async (folder) => {
    const whole = await putCase(folder, "pc-multifd");
    const main = { path: `${whole.path}/main.bin`, offset: 0 };
    const diff = await diffPlaces(whole, main);
    assertEquals(diff.same, true);
    assertMatch(diff.notes.join("\n"), /^right: the memory is not whole: multifd channels/);
    assertMatch(diff.notes.join("\n"), /page\(s\) are not in the right input: not compared/);
  });
  const shared = await diffBytes(loadStream("pc-ignore-shared"), loadStream("pc-ignore-shared"));
  assertEquals(shared.same, true);
  assertMatch(shared.notes.join("\n"), /block m: 256 page\(s\) are not in the left input/);
});

Deno.test("diff: what stands behind damage is no difference", async () => {
  const stream = loadStream("pc");
  for (const at of [6, 12, 60, 5_000, 100_000, 128_000, 135_000]) {
    for (const isLeft of [true, false]) {
      const cut = stream.subarray(0, at);
      const { same, notes } = isLeft ? await diffBytes(cut, stream) : await diffBytes(stream, cut);
      assertEquals(same, true, `${at}`);
      assert(notes.length > 0, `${at}`);
    }
  }
});

for (const name of ["pc-dirty-bitmaps", "ppc64-pseries"]) {
  Deno.test(`diff: other payloads of ${name} are the same or not`, async () => {
    const stream = loadStream(name);
    let at = 0;
    const note = (_: unknown, { dataOffset, dataBytes }: ChunkPlace) => {
      if (dataBytes > 0) at = dataOffset;
    };
    readState(new BytesSource(stream), { visitor: { dirtyBitmap: note, hashTable: note } });
    assertEquals((await diffBytes(stream, stream)).same, true);
    const other = stream.slice();
    other[at]! ^= 0x10;
    const { sections, state } = await diffBytes(stream, other);
    assertEquals([sections.length, state.length], [1, 0]);
    assertMatch(
      String(sections[0]!.right),
      /^\d+ bytes in \d+ section\(s\), other from byte \d+ on$/,
    );
  });
}

Deno.test("diff: a damaged side is compared, or refused with its place", async () => {
  const random = new Random(5);
  let [different, refused] = [0, 0];
  for (const name of ["pc", "pc-mapped", "pc-compress-7.2", "q35-virtio"]) {
    const stream = loadStream(name);
    const victim = victimOf(name, stream);
    for (let turn = 0; turn < 40; turn++) {
      const { bytes, done } = mutate(victim, random);
      try {
        const { same, ram, state, sections } = await diffBytes(stream, bytes);
        if (!same) different += 1;
        for (const { path } of [...state, ...sections]) assert(!/[^ -~]/.test(path), path);
        for (const { changedPages, addedPages, gonePages } of ram) {
          assert(addedPages + gonePages <= changedPages);
        }
      } catch (error) {
        assert(isFormatError(error), `${name}, ${done}: ${error}`);
        refused += 1;
      }
    }
  }
  assert(different > 30, `${different} different, ${refused} refused`);
});
