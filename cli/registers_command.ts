/**
 * The definition of `migstream registers`.
 *
 * @module
 */

import { type CommandUnknownOpts, InvalidArgumentError } from "@commander-js/extra-typings";
import { streamCommand } from "./common_options.ts";
import type { Streams } from "./main.ts";

/** Makes the command; `finish` takes its exit code. */
export function makeCommand(
  streams: Streams,
  finish: (code: number) => void,
): CommandUnknownOpts {
  return streamCommand("registers", "the processors' registers, as QEMU's monitor prints them")
    .description(
      "Prints the registers of the guest's processors as the monitor's `info registers -a` does, " +
        "for x86, aarch64 and arm, riscv64, ppc64 and s390x. Left out is what no stream has.",
    )
    .option("--cpu <n>", "only this processor", cpuOption)
    .option("--json", "print JSON: more registers, by name")
    .addHelpText(
      "after",
      `
Examples:
  migstream registers guest.img
  migstream registers guest.img --cpu 1
  migstream registers guest.img --json | jq -r '.cpus[].registers.rip'`,
    )
    .action(async (file, { offset, snapshot, vmdesc, ...options }) => {
      const { cpu, json = false, keepGoing = false } = options;
      const { runRegisters } = await import("./registers.ts");
      finish(await runRegisters(file, { cpu, json, offset, snapshot, vmdesc, keepGoing }, streams));
    });
}

function cpuOption(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("A processor is a number.");
  return Number(text);
}
