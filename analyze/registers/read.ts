/**
 * Finds the processors in a stream.
 *
 * @module
 */

import { DeviceFields } from "../fields.ts";
import type { StateEntry, StreamState } from "../state.ts";
import { armKind, readArm } from "./arm.ts";
import type { CpuArchitecture, CpuState } from "./cpu_state.ts";
import { isPpc64, readPpc } from "./ppc.ts";
import { isRiscv64, readRiscv } from "./riscv.ts";
import { isS390x, readS390x } from "./s390x.ts";
import { readX86, x86Kind } from "./x86.ts";

/** Names of the sections that each processor has, with its number as the instance. */
const CPU_IDSTR = "cpu";
const CPU_COMMON_IDSTR = "cpu_common";

/**
 * All processors of a stream in the order of their numbers; none where the stream has none, or only ones whose instruction set is
 * not known or whose sections nothing describes.
 *
 * @example
 * ```ts
 * import { openInput, readCpuStates, readState } from "@migstream/migstream";
 *
 * using input = await openInput("testdata/pc.mig");
 * const [cpu] = readCpuStates(readState(input.source));
 * console.log(cpu?.architecture);
 * ```
 */
export function readCpuStates(state: StreamState): CpuState[] {
  const halted = new Map<number, boolean>();
  for (const { section, first } of state.entries) {
    if (section.idstr !== CPU_COMMON_IDSTR || first.device === undefined) continue;
    const value = new DeviceFields(first.device).number("halted");
    if (value !== undefined) halted.set(section.instanceId, value !== 0n);
  }
  const cpus = new Map<number, CpuState>();
  // Where a stream has a processor more than once, the last state is the one that counts.
  for (const entry of cpuEntries(state)) {
    const cpu = readCpu(entry, halted.get(entry.section.instanceId));
    if (cpu !== undefined) cpus.set(cpu.index, cpu);
  }
  return [...cpus.values()].sort((a, b) => a.index - b.index);
}

/** The sections of processors, whatever is known of them. */
export function cpuEntries(state: StreamState): StateEntry[] {
  return state.entries.filter(({ section }) => section.idstr === CPU_IDSTR);
}

function readCpu(
  { section, first }: StateEntry,
  halted: boolean | undefined,
): CpuState | undefined {
  if (first.device === undefined) return undefined;
  const fields = new DeviceFields(first.device);
  const architecture = architectureOf(fields);
  if (architecture === undefined) return undefined;
  const registers = readRegisters(fields, architecture);
  return { index: section.instanceId, architecture, registers, halted };
}

/** The instruction set, as the names of the fields tell it. */
function architectureOf(cpu: DeviceFields): CpuArchitecture | undefined {
  if (isS390x(cpu)) return "s390x";
  if (isRiscv64(cpu)) return "riscv64";
  if (isPpc64(cpu)) return "ppc64";
  return x86Kind(cpu) ?? armKind(cpu);
}

function readRegisters(
  cpu: DeviceFields,
  architecture: CpuArchitecture,
): ReadonlyMap<string, bigint> {
  switch (architecture) {
    case "x86_64":
    case "i386":
      return readX86(cpu);
    case "aarch64":
    case "arm":
      return readArm(cpu);
    case "riscv64":
      return readRiscv(cpu);
    case "ppc64":
      return readPpc(cpu);
    case "s390x":
      return readS390x(cpu);
  }
}
