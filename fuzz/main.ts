/**
 * Tries damaged inputs until the time is over.
 *
 * ```text
 * deno task fuzz --seconds 60 --seed 1
 * deno task fuzz --only commands --seed 7 --from 123 --inputs 1     the same input again
 * ```
 *
 * The work is done by a second process: the first one sees it hang, or die for lack of memory.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { Workplace } from "./commands.ts";
import { type Counters, type Find, newCounters, tryInput } from "./run.ts";
import { TARGETS } from "./targets.ts";

/** Seconds without a word after which an input hangs. */
const HANG_SECONDS = 60;
/** Peak memory of the process that tries inputs, and what makes them. */
const MEMORY_BYTES = 2_000_000_000;
/** Finds of one cause that are kept. */
const KEPT = 3;

const args = parseArgs(Deno.args, {
  boolean: ["worker", "help"],
  string: ["seconds", "seed", "only", "inputs", "from", "finds"],
  default: { seconds: "60", seed: "1", from: "0", inputs: "0", finds: "fuzz-finds" },
});
const seconds = Number(args.seconds);
const seed = Number(args.seed);
const from = Number(args.from);
const inputs = Number(args.inputs);

function targetShares(): Map<string, number> {
  const names = args.only?.split(",") ??
    Object.keys(TARGETS).filter((name) => TARGETS[name]!.share > 0);
  const unknown = names.find((name) => TARGETS[name] === undefined);
  if (unknown !== undefined) {
    throw new Error(`no target ${unknown}; there are ${Object.keys(TARGETS).join(", ")}`);
  }
  return new Map(names.map((name) => [name, Math.max(1, TARGETS[name]!.share)]));
}

function peakBytes(): number {
  try {
    const status = Deno.readTextFileSync("/proc/self/status");
    return 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function keep({ where, error, signature, input }: Find, number: number): string {
  const name = `${args.finds}/${signature.replace(/[^\w.-]+/g, "_").slice(0, 100)}.${number}`;
  Deno.mkdirSync(args.finds, { recursive: true });
  Deno.writeFileSync(`${name}.bin`, input.bytes);
  for (const { file, bytes } of input.others ?? []) Deno.writeFileSync(`${name}.${file}`, bytes);
  Deno.writeTextFileSync(`${name}.txt`, `${where}\n${error}\n`);
  return name;
}

/** Tries inputs, and says on standard output what comes next and what came out. */
async function work(): Promise<void> {
  const say = (line: unknown) =>
    Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
  using place = new Workplace();
  const counters = newCounters();
  const shares = targetShares();
  const next = new Map([...shares.keys()].map((name) => [name, from]));
  const end = performance.now() + seconds * 1000;
  let total = 0;
  let peak = MEMORY_BYTES;
  const isOver = () => performance.now() >= end || (inputs > 0 && total >= inputs);
  while (!isOver()) {
    for (const [target, share] of shares) {
      say({ target, index: next.get(target) });
      for (let left = share; left > 0 && !isOver(); left--) {
        const index = next.get(target)!;
        next.set(target, index + 1);
        total += 1;
        const find = await tryInput(target, seed, index, place, counters);
        if (find === undefined) continue;
        const number = counters.finds[find.signature]!;
        if (number <= KEPT) {
          say({ find: find.signature, where: find.where, file: keep(find, number) });
        }
      }
      if (peakBytes() > peak) {
        peak = peakBytes();
        say({ find: "memory", where: `${target} up to ${next.get(target)}`, file: String(peak) });
      }
    }
  }
  say({ counters, peakBytes: peakBytes() });
}

/** Starts the process that works, and reads what it says. */
async function watch(): Promise<boolean> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--quiet",
      "--v8-flags=--max-old-space-size=1500",
      import.meta.url,
      "--worker",
      ...Deno.args,
    ],
    stdout: "piped",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TransformStream(new LineSplitter())).getReader();
  let last = "nothing";
  let found = false;
  let counters: Counters | undefined;
  for (;;) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Promise<"silence">((resolve) => {
      timer = setTimeout(() => resolve("silence"), HANG_SECONDS * 1000);
    });
    const read = await Promise.race([lines.read(), silence]);
    clearTimeout(timer);
    if (read === "silence") {
      child.kill("SIGKILL");
      console.log(`HANG: an input of the turn that began with ${last}`);
      return false;
    }
    if (read.done) break;
    const said = JSON.parse(read.value);
    if (said.counters !== undefined) {
      counters = said.counters;
      console.log(`peak memory: ${Math.round(said.peakBytes / 1e6)} MB`);
    } else if (said.find !== undefined) {
      found = true;
      console.log(`FOUND: ${said.find}\n  ${said.where}\n  ${said.file}`);
    } else last = read.value;
  }
  const { code } = await child.status;
  if (counters === undefined) {
    console.log(`DIED with code ${code}: an input of the turn that began with ${last}`);
    return false;
  }
  print(counters);
  return !found;
}

class LineSplitter implements Transformer<string, string> {
  #rest = "";

  transform(text: string, controller: TransformStreamDefaultController<string>): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) controller.enqueue(line);
  }
}

function print({ targets, kinds, words, finds, slowestMs }: Counters): void {
  const total = Object.values(targets).reduce((sum, each) => sum + each, 0);
  console.log(`inputs: ${total}; slowest: ${slowestMs} ms`);
  const tables = {
    "by target": targets,
    "by mutation": kinds,
    "by outcome": words,
    "finds": finds,
  };
  for (const [title, counts] of Object.entries(tables)) {
    console.log(`\n${title}`);
    for (const [name, count] of Object.entries(counts).sort(([, a], [, b]) => b - a)) {
      console.log(`${String(count).padStart(10)}  ${name}`);
    }
  }
}

if (args.worker) await work();
else Deno.exit(await watch() ? 0 : 1);
