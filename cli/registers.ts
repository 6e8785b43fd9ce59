/**
 * `migstream registers`: the registers of a guest's processors.
 *
 * @module
 */

import { loadVmdescription } from "../analyze/load_vmdescription.ts";
import {
  cpuEntries,
  type CpuState,
  formatRegisters,
  readCpuStates,
} from "../analyze/registers/mod.ts";
import { readState, type StreamState } from "../analyze/state.ts";
import { openInput } from "../container/open.ts";
import { escapeJson, hex, quoteText } from "../format/text.ts";
import { describeError, escapeLine, EXIT, type Streams, UsageError } from "./main.ts";

/** Options of `registers`. */
export interface RegistersCommandOptions {
  /** Number of the only processor that is wanted. */
  readonly cpu: number | undefined;
  /** Whether to print JSON. */
  readonly json: boolean;
  /** Absolute offset of the stream in the input. */
  readonly offset: number;
  /** Name or id of a snapshot in a qcow2 image. */
  readonly snapshot: string | undefined;
  /** File that a vmdescription is taken from. */
  readonly vmdesc: string | undefined;
  /** Whether what stands before a damaged place is printed. */
  readonly keepGoing: boolean;
}

/** Prints the registers of the processors of a stream. */
export async function runRegisters(
  path: string,
  options: RegistersCommandOptions,
  streams: Streams,
): Promise<number> {
  const { offset, snapshot, keepGoing } = options;
  const given = options.vmdesc === undefined ? undefined : await loadVmdescription(options.vmdesc);
  using input = await openInput(path, { offset, snapshot });
  let machine: string | undefined;
  const state = readState(input.source, {
    offset: input.streamOffset,
    keepGoing,
    ...(given === undefined ? {} : { vmdescription: given }),
    onItem: (item) => {
      if (item.kind === "configuration") machine = item.configuration.machine;
    },
  });
  for (const note of input.notes) streams.err.line(`note: ${escapeLine(note)}`);
  const cpus = chooseCpus(readCpuStates(state), options.cpu);
  if (cpus.length > 0) printCpus(cpus, machine, options.json, streams);
  if (state.error === undefined) {
    if (cpus.length === 0) throw noCpus(state, machine);
    return EXIT.DONE;
  }
  streams.err.line(`error: ${describeError(state.error)}`);
  return EXIT.FAILED;
}

function chooseCpus(cpus: readonly CpuState[], wanted: number | undefined): readonly CpuState[] {
  if (wanted === undefined || cpus.length === 0) return cpus;
  const chosen = cpus.filter(({ index }) => index === wanted);
  if (chosen.length > 0) return chosen;
  const known = cpus.map(({ index }) => index).join(", ");
  throw new UsageError(`there is no processor ${wanted}; the stream has ${known}`);
}

/** Why there is nothing to print. */
function noCpus(state: StreamState, machine: string | undefined): UsageError {
  const entries = cpuEntries(state);
  if (entries.length === 0) return new UsageError("the stream has no processor");
  if (entries.some(({ first }) => first.device !== undefined)) {
    const where = machine === undefined ? "" : ` (machine ${quoteText(machine)})`;
    return new UsageError(`the instruction set of the stream's processors is not known${where}`);
  }
  return new UsageError(
    "the stream does not describe its processors (it has no vmdescription): " +
      "take that of another image of the same machine with --vmdesc",
  );
}

function printCpus(
  cpus: readonly CpuState[],
  machine: string | undefined,
  json: boolean,
  { out }: Streams,
): void {
  if (json) {
    out.line(escapeJson(JSON.stringify({ cpus: cpus.map(cpuJson) }, undefined, 2)));
    return;
  }
  // A machine type is named after the release that it came with: no older one can have written the stream.
  const release = /-(\d{1,3})\.\d+$/.exec(machine ?? "")?.[1];
  const options = release === undefined ? {} : { qemuMajor: Number(release) };
  for (const cpu of cpus) out.text(formatRegisters(cpu, options));
}

function cpuJson({ index, architecture, registers, halted }: CpuState): Record<string, unknown> {
  return {
    index,
    architecture,
    registers: Object.fromEntries([...registers].map(([name, value]) => [name, hex(value)])),
    ...(halted === undefined ? {} : { halted }),
  };
}
