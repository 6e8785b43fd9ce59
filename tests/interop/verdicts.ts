/**
 * Whose verdict is right? Streams of a real QEMU, each changed in one place, loaded by that QEMU and checked by `validate`.
 *
 * ```text
 * deno run -A tests/interop/verdicts.ts 2000 7      2000 changes from seed 7, and a table of the verdicts
 * ```
 *
 * @module
 */

import { type OpenInput, openInput } from "../../container/open.ts";
import { isFormatError } from "../../format/error.ts";
import { ruleOf } from "../../analyze/validate/rules/mod.ts";
import { unopenedValidation, type Validation } from "../../analyze/validate/validate.ts";
import { validateInput } from "../../analyze/validate/validate_input.ts";
import { isFinal, Qemu } from "../../testdata/qemu.ts";
import { Random } from "../reading.ts";
import { abilities, atLeast, BINARY, withFolder } from "./qemu.ts";
import { save, type Scene } from "./scene.ts";
import { type Mutant, mutate, type Original, originalOf } from "./verdict_mutations.ts";

/** The guests whose streams are changed. */
export const VERDICT_SCENES: readonly (Scene & { readonly name: string })[] = [
  { name: "none", args: "-machine none" },
  { name: "pc", args: "-machine pc,acpi=off -m 1M -bios rom.bin", program: "halt" },
  {
    name: "pc, mapped-ram",
    args: "-machine pc,acpi=off -m 1M -bios rom.bin",
    program: "halt",
    capabilities: ["mapped-ram"],
  },
  {
    name: "q35 with devices",
    args: "-machine q35,acpi=off -m 1M -bios rom.bin -device virtio-balloon-pci " +
      "-device virtio-scsi-pci -device e1000,romfile=",
    program: "halt",
  },
  { name: "microvm", args: "-machine microvm,acpi=off -m 1M -bios rom.bin", program: "halt" },
];

/** What QEMU did with a stream. */
export interface QemuVerdict {
  /** Whether it has the guest now. */
  readonly accepts: boolean;
  /** What it said, or that it went away. */
  readonly words: string;
}

/** A change and both verdicts. */
export interface Trial {
  /** The stream that was changed. */
  readonly scene: string;
  /** The change. */
  readonly mutant: Omit<Mutant, "bytes">;
  /** What QEMU did. */
  readonly qemu: QemuVerdict;
  /** What we found. */
  readonly validation: Validation;
}

/** Who agrees. */
export type Outcome = "both accept" | "both reject" | "only we reject" | "only QEMU rejects";

/** Who agrees on a stream. */
export function outcomeOf({ qemu, validation: { valid } }: Trial): Outcome {
  if (qemu.accepts) return valid ? "both accept" : "only we reject";
  return valid ? "only QEMU rejects" : "both reject";
}

/** What only a destination can know, by what QEMU says then. */
const DESTINATION_ONLY: readonly (readonly [RegExp, string])[] = [
  [/Unknown savevm section or instance/, "a device that this machine does not have"],
  [/unsupported version \d+ for/i, "a device version that this QEMU does not know"],
  [/savevm: unsupported version/i, "a device version that this QEMU does not know"],
  [/Machine type received is/, "another machine type"],
  [/Unknown ramblock/i, "a RAM block that this machine does not have"],
  [/Length mismatch|Size mismatch|different block|bad alignment/i, "a RAM block of another size"],
  [/Capability .* is (on|off)/i, "another capability"],
  [/Unsupported|incompatible|mismatch/i, "a value that does not fit this machine"],
  [
    /error while loading state for instance|load of migration failed: Invalid argument/i,
    "a value that the device itself refuses",
  ],
];

/** Why a disagreement is none: what the rule, or QEMU's words, say; `undefined` if nothing does. */
export function explain(trial: Trial): string | undefined {
  const { validation: { findings }, qemu } = trial;
  switch (outcomeOf(trial)) {
    case "both accept":
    case "both reject":
      return "agreed";
    case "only we reject": {
      const errors = findings.kept.filter(({ severity }) => severity === "error");
      const silent = errors.find(({ rule }) => ruleOf(rule).reaction !== "rejects");
      return silent && `${silent.rule}: ${ruleOf(silent.rule).qemu}`;
    }
    case "only QEMU rejects": {
      const broken = findings.kept.find(({ rule }) => ruleOf(rule).reaction === "rejects");
      if (broken !== undefined) return `${broken.rule}: ${ruleOf(broken.rule).title}`;
      return DESTINATION_ONLY.find(([words]) => words.test(qemu.words))?.[1];
    }
  }
}

/** Lets a fresh QEMU load a stream. */
async function qemuVerdict(folder: string, path: string, scene: Scene): Promise<QemuVerdict> {
  await using vm = await Qemu.start({
    binary: BINARY,
    args: [...scene.args.split(" "), "-vga", "none", "-incoming", "defer"],
    cwd: folder,
  });
  try {
    await vm.setCapabilities(scene.capabilities ?? []);
    const uri = atLeast(8, 2) ? `file:${path}` : `exec:cat ${path}`;
    // Since 9.1 it may be told to stay after an error, so that it can say what it was.
    const stay = atLeast(9, 1) ? { "exit-on-error": false } : {};
    await vm.qmp("migrate-incoming", { uri, ...stay });
    const status = await vm.waitMigration(isFinal, 20_000);
    const words = String(status["error-desc"] ?? "");
    if (status.status === "completed") return { accepts: true, words };
    return { accepts: false, words: `${words}\n${await vm.quit()}` };
  } catch (error) {
    const said = await vm.quit().catch(() => "");
    return { accepts: false, words: `${error instanceof Error ? error.message : error}\n${said}` };
  }
}

async function ourVerdict(path: string): Promise<Validation> {
  let input: OpenInput;
  try {
    input = await openInput(path, { seekable: true });
  } catch (error) {
    if (!isFormatError(error)) throw error;
    return unopenedValidation(error);
  }
  using opened = input;
  return validateInput(opened);
}

interface Guest {
  readonly scene: Scene & { readonly name: string };
  readonly folder: string;
  readonly original: Original;
}

/** The changes, each with a file name of its own. */
function* planned(
  guests: readonly Guest[],
  count: number,
  seed: number,
): Generator<Guest & { readonly mutant: Mutant; readonly name: string }, void, undefined> {
  const random = new Random(seed);
  for (let number = 0; number < count; number++) {
    const guest = random.of(guests);
    yield { ...guest, mutant: mutate(guest.original, random), name: `${number}.mig` };
  }
}

/** Processes at the same time. */
const WORKERS = 2;

/** Makes `count` changes that follow from a seed, and gets both verdicts on each. */
export async function collectVerdicts(
  count: number,
  seed: number,
  onTrial: (trial: Trial) => void = () => {},
): Promise<Trial[]> {
  const trials: Trial[] = [];
  await withFolder(async (root) => {
    const scenes = VERDICT_SCENES.filter(({ capabilities = [] }) =>
      capabilities.every((capability) => abilities().capabilities.has(capability))
    );
    const guests = await Promise.all(scenes.map(async (scene, index): Promise<Guest> => {
      const folder = `${root}/${index}`;
      await Deno.mkdir(folder);
      const { path } = await save(folder, scene);
      return { scene, folder, original: originalOf(scene.name, await Deno.readFile(path)) };
    }));
    const jobs = planned(guests, count, seed);
    await Promise.all(Array.from({ length: WORKERS }, async () => {
      for (let job = jobs.next(); job.done !== true; job = jobs.next()) {
        const { scene, folder, mutant: { bytes, ...mutant }, name } = job.value;
        const path = `${folder}/${name}`;
        await Deno.writeFile(path, bytes);
        const qemu = await qemuVerdict(folder, path, scene);
        const validation = await ourVerdict(path);
        await Deno.remove(path);
        const trial = { scene: scene.name, mutant, qemu, validation };
        trials.push(trial);
        onTrial(trial);
      }
    }));
  });
  return trials;
}

/** How often each outcome came, and what nothing explains. */
export function tabulate(trials: readonly Trial[]): string {
  const outcomes: Outcome[] = ["both accept", "both reject", "only we reject", "only QEMU rejects"];
  const lines = outcomes.map((outcome) => {
    const count = trials.filter((trial) => outcomeOf(trial) === outcome).length;
    return `${outcome.padEnd(18)} ${String(count).padStart(5)}`;
  });
  const reasons = new Map<string, number>();
  for (const trial of trials) {
    const outcome = outcomeOf(trial);
    if (outcome.startsWith("both")) continue;
    const reason = `${outcome}: ${explain(trial) ?? `UNEXPLAINED ${describeTrial(trial)}`}`;
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  const sorted = [...reasons].sort(([, a], [, b]) => b - a);
  return [
    ...lines,
    "",
    ...sorted.map(([reason, count]) => `${String(count).padStart(5)}  ${reason}`),
  ]
    .join("\n");
}

/** A trial in one line. */
export function describeTrial({ scene, mutant, qemu, validation: { findings } }: Trial): string {
  const rules = findings.kept.map(({ rule, severity }) => `${severity} ${rule}`).join(", ");
  const words = qemu.words.trim().replaceAll("\n", " / ");
  return `${scene}: ${mutant.what} at ${mutant.offset}: QEMU ${
    qemu.accepts ? "accepts" : "rejects"
  } ` +
    `(${words}), we say ${rules === "" ? "nothing" : rules}`;
}

if (import.meta.main) {
  const [count = "200", seed = "1"] = Deno.args;
  const trials = await collectVerdicts(Number(count), Number(seed), (trial) => {
    if (explain(trial) === undefined) console.log(describeTrial(trial));
  });
  console.log(tabulate(trials));
}
