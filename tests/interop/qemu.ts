/**
 * The QEMU that these tests run against: `qemu-system-x86_64` of PATH, or what the variable QEMU names.
 *
 * Without a QEMU of at least version 9 the tests fail. An older one is taken only if the variable names it; what it can't do is
 * then left out, each time with the reason in the test's name.
 *
 * @module
 */

import { type JsonObject, Qemu } from "../../testdata/qemu.ts";

const GIVEN = Deno.env.get("QEMU");
const NEEDED_MAJOR = 9;

/** The binary. */
export const BINARY: string = GIVEN ?? "qemu-system-x86_64";

/** What a QEMU can do. */
export interface Abilities {
  /** Version, e.g. `[10, 0, 2]`. */
  readonly version: readonly number[];
  /** Names of migration capabilities that can be switched on. */
  readonly capabilities: ReadonlySet<string>;
  /** Why some known capabilities can't be switched on. */
  readonly refusals: ReadonlyMap<string, string>;
  /** Names of migration parameters. */
  readonly parameters: ReadonlySet<string>;
  /** Machine types. */
  readonly machines: readonly string[];
}

/** Asks a QEMU what it can do. */
async function askAbilities(): Promise<Abilities> {
  await using vm = await Qemu.start({ binary: BINARY, args: ["-machine", "none"] });
  const version = (await vm.version()).split(".").map(Number);
  const listed = await vm.qmp("query-migrate-capabilities") as JsonObject[];
  const capabilities = new Set(listed.map(({ capability }) => String(capability)));
  const refusals = new Map<string, string>();
  // The kernel has a word in this one.
  try {
    await vm.setCapabilities(["background-snapshot"]);
  } catch (error) {
    refusals.set("background-snapshot", String(error));
  }
  const parameters = new Set(Object.keys(await vm.query("query-migrate-parameters")));
  const machines = await vm.qmp("query-machines") as JsonObject[];
  const names = machines.map(({ name }) => String(name));
  return { version, capabilities, refusals, parameters, machines: names };
}

/** The abilities, or why these tests can't run. */
const found: Abilities | Error = await askAbilities().then(
  (abilities) => {
    const [major = 0] = abilities.version;
    if (major >= NEEDED_MAJOR || GIVEN !== undefined) return abilities;
    return new Error(`QEMU ${abilities.version.join(".")} is too old, ${NEEDED_MAJOR} is needed`);
  },
  (cause) => new Error(`No usable QEMU (${BINARY}); set QEMU or PATH`, { cause }),
);

/** What the QEMU can do. */
export function abilities(): Abilities {
  if (found instanceof Error) throw found;
  return found;
}

/** Whether the version is at least `major.minor`. */
export function atLeast(major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = abilities().version;
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

/** What a test needs beyond any QEMU. */
export interface Needs {
  /** Migration capabilities. */
  readonly capabilities?: readonly string[];
  /** Migration parameters. */
  readonly parameters?: readonly string[];
  /** Machine type. */
  readonly machine?: string;
  /** Lowest version: major and minor number. */
  readonly version?: readonly [number, number];
  /** Any other reason not to run, if there is one. */
  readonly obstacle?: string | undefined;
}

/** Why a test can't run with this QEMU; `undefined` if it can. */
function obstacleTo(needs: Needs): string | undefined {
  const { capabilities, parameters, refusals, machines, version } = abilities();
  const name = `QEMU ${version.join(".")}`;
  for (const capability of needs.capabilities ?? []) {
    if (!capabilities.has(capability)) return `${name} has no ${capability}`;
    const refusal = refusals.get(capability);
    if (refusal !== undefined) return `${name} refuses ${capability}: ${refusal}`;
  }
  const missing = needs.parameters?.find((parameter) => !parameters.has(parameter));
  if (missing !== undefined) return `${name} has no ${missing}`;
  if (needs.version !== undefined && !atLeast(...needs.version)) {
    return `${name} is older than ${needs.version.join(".")}`;
  }
  if (needs.machine !== undefined && !machines.includes(needs.machine)) {
    return `${name} has no machine type ${needs.machine}`;
  }
  return needs.obstacle;
}

/** Registers a test; one that this QEMU can't do is ignored, with the reason in its name and on standard error. */
export function interopTest(
  name: string,
  needs: Needs,
  fn: (t: Deno.TestContext) => Promise<void>,
): void {
  const obstacle = found instanceof Error ? undefined : obstacleTo(needs);
  if (obstacle === undefined) {
    Deno.test(`interop: ${name}`, (t) => {
      abilities(); // fails loudly without a QEMU
      return fn(t);
    });
    return;
  }
  console.warn(`*** SKIPPED: ${name}: ${obstacle}`);
  Deno.test({ name: `interop: ${name}: SKIPPED, ${obstacle}`, ignore: true, fn: () => {} });
}

/** Calls `use` with a new folder, which is removed afterwards. */
export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "interop-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * Asks again and again until there is an answer.
 *
 * @param what What is waited for, for the error.
 */
export async function waitFor<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  timeoutMs = 120_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`Waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
