import { assertEquals, assertGreater } from "@std/assert";
import { Workplace } from "../../fuzz/commands.ts";
import { newCounters, randomOf, tryInput } from "../../fuzz/run.ts";
import { TARGETS } from "../../fuzz/targets.ts";

/** Inputs of each target: those that cost most have the fewest. */
const INPUTS: Readonly<Record<string, number>> = {
  "whole": 4,
  "large": 1,
  "captures": 3,
  "commands": 3,
  "some commands": 4,
  "wrapped": 6,
  "containers": 6,
  "bombs": 2,
  "processes": 2,
};
const SEED = 2026;
/** How many times as long as in a campaign an input may take: this is no measurement. */
const PATIENCE = 10;

for (const target of Object.keys(TARGETS)) {
  Deno.test(`fuzzing: some damaged inputs of "${target}"`, async () => {
    using place = new Workplace();
    const counters = newCounters();
    const inputs = INPUTS[target] ?? 60;
    for (let index = 0; index < inputs; index++) {
      const find = await tryInput(target, SEED, index, place, counters, PATIENCE);
      if (find !== undefined) throw new Error(`${find.where}\n${find.error}`);
    }
    assertEquals(counters.targets[target], inputs);
    assertGreater(Object.keys(counters.words).length, 0);
  });
}

Deno.test("fuzzing: an input can be made again from seed, target and number", () => {
  for (const [target, { make }] of Object.entries(TARGETS)) {
    const first = make(randomOf(SEED, target, 5));
    const again = make(randomOf(SEED, target, 5));
    assertEquals(Buffer.compare(first.bytes, again.bytes), 0, target);
    assertEquals(first.kind, again.kind);
  }
});
