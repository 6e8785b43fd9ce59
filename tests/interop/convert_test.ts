/** A real QEMU loads what `migstream convert` writes of its images: in each form, out of each form. */

import { assert, assertEquals } from "@std/assert";
import { FAST, SLOW, slow, switchToPostcopy } from "../../testdata/case.ts";
import { isFinal, type JsonObject, type MigrateOptions, type Qemu } from "../../testdata/qemu.ts";
import { migstream } from "../process.ts";
import { DOMAIN_XML, gzip, libvirtImage } from "../wrapped.ts";
import { checkTiling, sectionsOf } from "./checks.ts";
import { missing } from "./command.ts";
import {
  captured,
  checkLoaded,
  convert,
  type CountingGuest,
  directIoObstacle,
  GUESTS,
  type Incoming,
  LIBVIRT_PC,
  libvirtStreamOffset,
  MAPPED_DIRECT,
  MAPPED_MULTIFD,
  PC,
  runOn,
} from "./convert_scenes.ts";
import { startCapture } from "./live_command.ts";
import { abilities, interopTest, type Needs, withFolder } from "./qemu.ts";
import { type GuestTruth, readGuest, save, type Saved, type Scene, startQemu } from "./scene.ts";

/** A form that an image is written in, and how QEMU gets at it. */
interface Form {
  readonly name: string;
  /** Arguments of `convert`, separated by blanks. */
  readonly args: string;
  /** How the result at a path is loaded. */
  readonly incoming: (path: string) => Incoming | Promise<Incoming>;
  /** Checks what was written. */
  readonly check?: (saved: Saved) => void;
  /** Finds out why it can't be. */
  readonly obstacle?: () => string | undefined;
}

/** Every image goes into these. */
const FORMS: readonly Form[] = [
  { name: "a stream", args: "--to stream", incoming: (path) => ({ uri: `file:${path}` }) },
  {
    name: "mapped-ram",
    args: "--to mapped-ram",
    incoming: (path) => ({ uri: `file:${path}`, capabilities: ["mapped-ram"] }),
  },
  { name: "a capture", args: "--to capture", incoming: (path) => captured(path) },
];

/** Converts an image into forms, each of which QEMU loads. */
async function checkForms(
  t: Deno.TestContext,
  folder: string,
  guest: CountingGuest,
  image: { readonly path: string; readonly truth: GuestTruth; readonly args?: readonly string[] },
  forms: readonly Form[] = FORMS,
): Promise<void> {
  for (const [index, { name, args, incoming, check, obstacle: ask }] of forms.entries()) {
    const obstacle = ask?.();
    if (obstacle !== undefined) console.warn(`*** SKIPPED: ${name}: ${obstacle}`);
    const fn = async () => {
      const out = `${folder}/converted-${index}`;
      await convert(image.path, out, ...args.split(" "), ...image.args ?? []);
      check?.({ path: out, offset: 0, truth: image.truth, status: {} });
      await checkLoaded(folder, guest, image.truth, await incoming(out));
    };
    await t.step({ name: `as ${name}`, ignore: obstacle !== undefined, fn });
  }
}

/** Reads an uncompressed or decompressed image of libvirt from where the stream begins. */
async function tail(path: string, command = "cat"): Promise<Incoming> {
  return { uri: `exec:tail -c +${await libvirtStreamOffset(path) + 1} ${path} | ${command}` };
}

/** Pages that a stream has as XBZRLE deltas. */
function deltaPages(saved: Saved): number {
  const payloads = sectionsOf(checkTiling(saved)).map(({ payload }) => payload);
  return payloads.reduce((sum, payload) => {
    return sum + (payload?.kind === "ram" ? payload.summary.deltaPages : 0);
  }, 0);
}

const MORE_FORMS: readonly Form[] = [
  {
    name: "a stream with XBZRLE deltas",
    args: "--to stream --xbzrle",
    check: (saved) => assert(deltaPages(saved) > 0, "there are deltas"),
    incoming: (path) => ({ uri: `file:${path}` }),
  },
  {
    name: "a stream without a description",
    args: "--to stream --strip-vmdesc",
    check: (saved) => assert(checkTiling(saved, { described: false }).length > 0),
    incoming: (path) => ({ uri: `file:${path}` }),
  },
  {
    name: "a stream in gzip",
    args: "--to stream --compress gzip",
    incoming: (path) => ({ uri: `exec:zcat < ${path}` }),
  },
  {
    name: "a stream in zstd",
    args: "--to stream --compress zstd",
    incoming: (path) => ({ uri: `exec:zstd -dc < ${path}` }),
    obstacle: () => missing("zstd"),
  },
  {
    name: "mapped-ram, read by two threads",
    args: "--to mapped-ram",
    incoming: (path) => ({ uri: `file:${path}`, ...MAPPED_MULTIFD }),
  },
  {
    name: "mapped-ram, read past the page cache",
    args: "--to mapped-ram",
    incoming: (path) => ({ uri: `file:${path}`, ...MAPPED_DIRECT }),
    obstacle: () => {
      return abilities().parameters.has("direct-io") ? directIoObstacle() : "QEMU has no direct-io";
    },
  },
  {
    name: "mapped-ram without a description",
    args: "--to mapped-ram --strip-vmdesc",
    incoming: (path) => ({ uri: `file:${path}`, capabilities: ["mapped-ram"] }),
  },
  {
    name: "a capture in zlib",
    args: "--to capture --compression zlib",
    incoming: (path) => captured(path, "zlib"),
  },
  {
    name: "a capture in zstd",
    args: "--to capture --compression zstd --level 3 --marks round",
    incoming: (path) => captured(path, "zstd"),
  },
];

/** The forms of libvirt, with the XML of a file. */
function libvirtForms(xml: string): Form[] {
  const libvirt = `--libvirt ${xml}`;
  return [
    {
      name: "an image of libvirt",
      args: `--to stream ${libvirt}`,
      incoming: async (path) => ({
        uri: `file:${path},offset=${await libvirtStreamOffset(path)}`,
      }),
    },
    {
      name: "an image of libvirt in gzip",
      args: `--to stream --compress gzip ${libvirt}`,
      incoming: (path) => tail(path, "zcat"),
    },
    {
      name: "a sparse image of libvirt",
      args: `--to mapped-ram ${libvirt}`,
      incoming: async (path) => ({
        uri: `file:${path},offset=${await libvirtStreamOffset(path)}`,
        ...MAPPED_MULTIFD,
      }),
    },
  ];
}

const NEEDS = { capabilities: ["mapped-ram", "multifd"] };

interopTest("converted: a stream of pc", NEEDS, async (t) => {
  await withFolder(async (folder) => {
    const saved = await save(folder, PC);
    const xml = `${folder}/domain.xml`;
    await Deno.writeTextFile(xml, DOMAIN_XML);
    await checkForms(t, folder, PC, saved, [...FORMS, ...MORE_FORMS, ...libvirtForms(xml)]);
    await t.step("as mapped-ram, through pipes", async () => {
      const path = `${folder}/piped`;
      const { code, err, bytes } = await migstream(
        ["convert", "-", "-", "--to", "stream", "--compress", "gzip"],
        { input: await Deno.readFile(saved.path), permissions: ["-R", "-W"] },
      );
      assertEquals(code, 0, err);
      const mapped = await migstream(["convert", "-", path, "--to", "mapped-ram"], {
        input: bytes,
        permissions: ["-R", "-W"],
      });
      assertEquals(mapped.code, 0, mapped.err);
      const incoming = { uri: `file:${path}`, capabilities: ["mapped-ram"] };
      await checkLoaded(folder, PC, saved.truth, incoming);
    });
  });
});

for (const [name, { guest, obstacle }] of Object.entries(GUESTS)) {
  if (guest === PC) continue; // above, in more forms
  interopTest(`converted: a stream of ${name}`, { ...NEEDS, obstacle }, async (t) => {
    await withFolder(async (folder) => {
      const saved = await save(folder, guest);
      await checkForms(t, folder, guest, saved);
    });
  });
}

/** Mapped-ram as QEMU writes it. */
const MAPPED_WAYS: readonly (Partial<Scene> & { readonly name: string; readonly needs?: Needs })[] =
  [
    { name: "mapped-ram", capabilities: ["mapped-ram"] },
    { name: "mapped-ram at an offset", capabilities: ["mapped-ram"], offset: 0x1234 },
    {
      name: "mapped-ram by two threads past the page cache",
      ...MAPPED_DIRECT,
      needs: { parameters: ["direct-io"], obstacle: directIoObstacle() },
    },
  ];

for (const { name, needs, ...way } of MAPPED_WAYS) {
  interopTest(`converted: ${name} of pc`, { ...NEEDS, ...needs }, async (t) => {
    await withFolder(async (folder) => {
      const { path, truth, offset } = await save(folder, { ...PC, ...way });
      await checkForms(t, folder, PC, { path, truth, args: ["--offset", `${offset}`] });
    });
  });
}

/** Rounds of a live migration. */
function rounds(status: JsonObject): number {
  return Number((status.ram as JsonObject | undefined)?.["dirty-sync-count"] ?? 0);
}

const ENOUGH_ROUNDS = 4;
/** A machine that starves the guest may end a migration too early; then it is tried again. */
const ATTEMPTS = 5;

/** Lets a slow migration take its rounds, and ends it. */
async function severalRounds(vm: Qemu): Promise<void> {
  await vm.waitMigration((status) => rounds(status) >= ENOUGH_ROUNDS || isFinal(status));
  await vm.qmp("migrate-set-parameters", FAST);
}

for (const capabilities of [[], ["mapped-ram"]]) {
  const name = ["live", ...capabilities].join(", ");
  interopTest(`converted: pc, saved ${name}`, NEEDS, async (t) => {
    await withFolder(async (folder) => {
      const scene: Scene = {
        ...PC,
        prepare: (vm) => runOn(vm, PC),
        truthAt: "end",
        capabilities,
        parameters: slow(600_000),
        during: severalRounds,
      };
      for (let attempt = 1;; attempt++) {
        const saved = await save(folder, scene);
        if (rounds(saved.status) >= ENOUGH_ROUNDS) return checkForms(t, folder, PC, saved);
        if (attempt === ATTEMPTS) throw new Error(`Ended early: ${JSON.stringify(saved.status)}`);
        console.warn(`*** attempt ${attempt} ended early, once more`);
        await Deno.remove(saved.path);
      }
    });
  });
}

/** A migration that is captured while its guest runs on. */
interface CapturedWay extends MigrateOptions {
  readonly name: string;
  readonly during?: (vm: Qemu) => Promise<void>;
}

const CAPTURED_WAYS: readonly CapturedWay[] = [
  { name: "precopy", capabilities: ["return-path"] },
  {
    name: "multifd",
    capabilities: ["multifd"],
    parameters: { "multifd-channels": 3, "multifd-compression": "zstd" },
  },
  {
    name: "postcopy",
    capabilities: ["postcopy-ram"],
    parameters: { ...SLOW, "max-postcopy-bandwidth": 1_000_000 },
    during: switchToPostcopy,
  },
];

async function capture(folder: string, out: string, way: CapturedWay): Promise<GuestTruth> {
  const listen = `unix:${folder}/capture.sock`;
  await using vm = await startQemu(folder, PC);
  await runOn(vm, PC);
  await using running = await startCapture("--listen", listen, "--out", out);
  await vm.startMigration(listen, way);
  await way.during?.(vm);
  const { status } = await vm.waitMigration(isFinal);
  const { code, err } = await running.finished();
  assertEquals([status, code], ["completed", 0], err);
  return await readGuest(vm);
}

for (const way of CAPTURED_WAYS) {
  const capabilities = [...NEEDS.capabilities, ...way.capabilities ?? []];
  interopTest(`converted: a captured migration of pc, ${way.name}`, { capabilities }, async (t) => {
    await withFolder(async (folder) => {
      const path = `${folder}/captured`;
      const truth = await capture(folder, path, way);
      await checkForms(t, folder, PC, { path, truth });
    });
  });
}

interopTest("converted: a compressed image of libvirt", NEEDS, async (t) => {
  await withFolder(async (folder) => {
    const saved = await save(folder, LIBVIRT_PC);
    const path = `${folder}/domain.save`;
    const stream = gzip(await Deno.readFile(saved.path));
    await Deno.writeFile(path, libvirtImage({ format: "gzip", wasRunning: true }, stream));
    await checkForms(t, folder, LIBVIRT_PC, { path, truth: saved.truth });
  });
});

interopTest("converted: a snapshot in a qcow2 image", NEEDS, async (t) => {
  await withFolder(async (folder) => {
    const path = `${folder}/disk.qcow2`;
    const args = ["create", "-q", "-f", "qcow2", path, "8M"];
    assertEquals((await new Deno.Command("qemu-img", { args }).output()).success, true);
    const disk = `-blockdev qcow2,node-name=d0,file.driver=file,file.filename=${path}`;
    let truth: GuestTruth;
    {
      await using vm = await startQemu(folder, { ...PC, args: `${PC.args} ${disk}` });
      await runOn(vm, PC);
      assertEquals(await vm.hmp("savevm other"), "");
      await runOn(vm, PC);
      await vm.qmp("stop");
      truth = await readGuest(vm);
      assertEquals(await vm.hmp("savevm wanted"), "");
    }
    await checkForms(t, folder, PC, { path, truth, args: ["--snapshot", "wanted"] });
  });
});
