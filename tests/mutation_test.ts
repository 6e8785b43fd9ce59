/**
 * Damaged streams, thousands of them: each is read or refused, never more. The number for a full run over all recorded
 * streams is in the environment:
 *
 * ```sh
 * MIGSTREAM_MUTATIONS=10000 MIGSTREAM_SEED=1 deno test -R -W -E --allow-run tests/mutation_test.ts
 * ```
 */
import { assert } from "@std/assert";
import { checkReading, countAllocations, mutate, type Victim, victimOf } from "./mutations.ts";
import { Random } from "./reading.ts";
import { caseNames, loadCase, loadStream } from "./testdata.ts";

const asked = Number(Deno.env.get("MIGSTREAM_MUTATIONS") ?? 0);
const seed = Number(Deno.env.get("MIGSTREAM_SEED") ?? 20261120);
const only = Deno.env.get("MIGSTREAM_CASES")?.split(",");

/** Cases of the everyday run, and how many damages of each fit into its time. */
const EVERYDAY: Readonly<Record<string, number>> = {
  "none": 10_000,
  "tricore": 10_000,
  "pc-no-vmdesc": 10_000,
  "pc-preempt": 3_000,
  "pc-postcopy-11.1": 1_000,
  "arm-microbit": 1_000,
  "pc-ignore-shared": 500,
  "pc-compress-7.2": 300,
  "pc-xbzrle": 300,
  "pc-no-footer": 300,
  "pc-mapped-offset": 100,
  "s390x": 500,
  "pc": 300,
};

function campaign(victim: Victim, count: number): void {
  const random = new Random(seed);
  const started = performance.now();
  let refused = 0;
  let slowest = { ms: 0, done: "" };
  for (let index = 0; index < count; index++) {
    const { bytes, done } = mutate(victim, random);
    const before = performance.now();
    try {
      if (checkReading(bytes, victim.offset).error !== undefined) refused += 1;
    } catch (cause) {
      throw new Error(`${victim.name}, seed ${seed}, damage ${index} (${done})`, { cause });
    }
    const ms = performance.now() - before;
    if (ms > slowest.ms) slowest = { ms, done };
  }
  // Most damage is seen, and not all of it: pages may hold anything.
  assert(refused > count / 20, `only ${refused} of ${count} damaged streams were refused`);
  assert(refused < count, "not one damaged stream was read");
  if (asked === 0) return;
  const perSecond = Math.round(count / (performance.now() - started) * 1000);
  console.log(
    `${victim.name}: ${count} damages, ${refused} refused, ${perSecond}/s, slowest ` +
      `${slowest.ms.toFixed(0)} ms (${slowest.done})`,
  );
}

for (const name of caseNames((each) => only?.includes(each.name) ?? true)) {
  const count = asked > 0 ? asked : EVERYDAY[name];
  if (count === undefined) continue;
  Deno.test(`mutation: ${name}, ${count} damages, seed ${seed}`, () => {
    campaign(victimOf(name, loadStream(name), loadCase(name).streamOffset), count);
  });
}

Deno.test("mutation: memory stays in proportion to the input", () => {
  const random = new Random(seed);
  let counted = 0;
  for (
    const name of ["none", "arm-microbit", "pc-mapped-offset", "pc-postcopy", "q35-virtio-mem"]
  ) {
    const victim = victimOf(name, loadStream(name), loadCase(name).streamOffset);
    for (let index = 0; index < 40; index++) {
      const { bytes, done } = mutate(victim, random);
      const label = `${name}, seed ${seed}, damage ${index} (${done})`;
      const { total, largest } = countAllocations(() => checkReading(bytes, victim.offset));
      // The buffer of a reader doubles until a whole device fits; each search has a buffer of its own.
      assert(largest <= 2 * bytes.length + (1 << 20), `${label}: ${largest} bytes at once`);
      assert(total <= 20 * bytes.length + (16 << 20), `${label}: ${total} bytes`);
      counted += total;
    }
  }
  assert(counted > 1 << 20, "the count sees nothing");
});
